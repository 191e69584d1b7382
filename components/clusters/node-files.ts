/** A file of a machine's configuration, as it is put there over SSH. */
export interface NodeFile {
    /** Absolute path on the machine. Its folder is made if it is missing. */
    path: string;
    content: string;
    /** Octal permissions. A file with a secret is readable by its owner or its group alone. */
    mode: "0600" | "0640" | "0644" | "0755";
    /** `user:group`, e.g. `root:consul`. */
    owner: string;
    /** What has to happen when the content changes. Default: nothing. */
    unit?: {
        /** The systemd unit that reads the file, e.g. `consul.service`. */
        name: string;
        /** Whether the unit takes it over while it runs, or has to be started anew. */
        change: "reload" | "restart";
    };
}

/** A systemd unit that a machine's configuration brings along or uses. */
export interface NodeUnit {
    /** E.g. `consul.service`. */
    name: string;
    /**
     * A command that succeeds when the unit's files are right, run before anything is restarted: the files that were
     * there come back when it fails. Default: none.
     */
    check?: string[];
    /** A command that succeeds when the unit does its work; asked again and again after a restart. Default: the unit is active. */
    healthy?: string[];
    /**
     * Whom it has to reach, `host:port` by name. Those that take no connection are named when it does not get healthy.
     * Default: nobody.
     */
    peers?: Record<string, string>;
}

/** All that one role puts on a machine. */
export interface NodeConfiguration {
    files: NodeFile[];
    /** In the order in which they are started. */
    units: NodeUnit[];
}

/** One machine's roles together; units start in this order. Pure. */
export function joinConfigurations(...parts: readonly NodeConfiguration[]): NodeConfiguration {
    return {
        files: parts.flatMap(({ files }) => files),
        units: parts.flatMap(({ units }) => units),
    };
}
