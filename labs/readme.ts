import type { Propagation, Span } from "../components/balancers/propagation";
import type { FirstToEnd } from "../components/security/expiry";

/** The stack's page in Pulumi's console: what each address shows, and the diagram. */
export function renderLabReadme(
    lab: string,
    urls: Record<string, string>,
    topology: string,
    shows: Record<string, string>,
    more: string[] = [],
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
        ...more,
    ].join("\n");
}

/** When the first of the certificates ends, for such a page. */
export function certificateLine({ name, expires, renewedFrom }: FirstToEnd): string {
    const day = (time: string) => time.slice(0, 10);
    return `Of the certificates, ${name} ends first, on ${day(expires)}; \`up\` renews it from ${day(renewedFrom)} on.`;
}

/** How long an instance that goes may still get requests, for such a page. */
export function propagationSection(propagation: Propagation): string[] {
    const row = (event: string, { seconds, terms }: Span) =>
        `| ${event} | ${seconds} s | ${terms.map((term) => `${term.seconds} s ${term.what}`).join("; ")} |`;
    return [
        `An instance that goes gets its last request after at most (discovery \`${propagation.discovery}\`):`,
        "",
        "| the instance | seconds | made of |",
        "|---|---|---|",
        row("is deregistered", propagation.deregistration),
        row("dies", propagation.death),
        row("falls silent", propagation.silence),
        ...propagation.exceptions.map(({ when, seconds }) => `| … and ${when} | ${seconds} s | |`),
        "",
    ];
}
