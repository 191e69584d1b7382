/** How the Docker objects of one stack are named and labelled. */
export class DockerNames {
    /**
     * @param project the first part of every name, and the label `dev.gatehouse.project`
     * @param stack the second part of every name, and the label `dev.gatehouse.stack`
     */
    constructor(
        private readonly project: string,
        private readonly stack: string,
    ) {}

    of(name: string): string {
        return `${this.project}-${this.stack}-${name}`;
    }

    labels(name: string, roles: string[] = []): { label: string; value: string }[] {
        return [
            { label: "dev.gatehouse.name", value: name },
            { label: "dev.gatehouse.project", value: this.project },
            ...(roles.length > 0 ? [{ label: "dev.gatehouse.roles", value: roles.join(",") }] : []),
            { label: "dev.gatehouse.stack", value: this.stack },
        ];
    }
}
