/** A box of the diagram. */
export interface TopologyNode {
    id: string;
    label: string;
    /** The box that this one is drawn in. */
    inside?: string;
}

export interface TopologyEdge {
    from: string;
    to: string;
    label?: string;
}

/** Renders a Mermaid flowchart; boxes that others are inside of become subgraphs. */
export function renderTopology(nodes: TopologyNode[], edges: TopologyEdge[]): string {
    const lines = ["flowchart LR"];
    const draw = (parent: string | undefined, indent: string): void => {
        for (const node of nodes.filter((candidate) => candidate.inside === parent)) {
            const label = `["${node.label.replaceAll('"', "#quot;")}"]`;
            if (nodes.some((other) => other.inside === node.id)) {
                lines.push(`${indent}subgraph ${identifier(node.id)}${label}`);
                draw(node.id, `${indent}    `);
                lines.push(`${indent}end`);
            } else {
                lines.push(`${indent}${identifier(node.id)}${label}`);
            }
        }
    };
    draw(undefined, "    ");
    for (const { from, to, label } of edges) {
        const arrow = label === undefined ? "-->" : `-->|${label}|`;
        lines.push(`    ${identifier(from)} ${arrow} ${identifier(to)}`);
    }
    return `${lines.join("\n")}\n`;
}

/** Mermaid reads hyphens and dots in identifiers as syntax. */
function identifier(id: string): string {
    return id.replaceAll(/[^A-Za-z0-9]/g, "_");
}
