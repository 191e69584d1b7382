/** The stack's page in Pulumi's console: what each address shows, and the diagram. */
export function renderLabReadme(
    lab: string,
    urls: Record<string, string>,
    topology: string,
    shows: Record<string, string>,
): string {
    const rows = Object.entries(urls).map(([name, url]) => `| ${name} | ${url} | ${shows[name] ?? ""} |`);
    return [
        `# Gatehouse: the \`${lab}\` lab`,
        "",
        "| output | address | shows |",
        "|---|---|---|",
        ...rows,
        "",
        "```mermaid",
        topology.trimEnd(),
        "```",
        "",
    ].join("\n");
}
