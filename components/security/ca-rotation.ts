/** Which generations of its CAs a cluster works with. */
export interface AuthorityGenerations {
    /** The one that signs. */
    signing: number;
    /** All that nodes believe, the one that signs first. */
    trusted: number[];
}

/** What one update does about the CAs. */
export interface AuthorityStep extends AuthorityGenerations {
    /** For people; undefined if there is nothing to do. */
    said?: string;
}

/**
 * How an update comes nearer to another generation of CAs. Nodes change one after the other, so those that are changed
 * already and those that are not yet have to believe each other all the time. That takes three updates, each complete
 * before the next begins: every node believes both; certificates come from the new one; nobody believes the old one.
 * One update cannot do two of these: where all machines are replaced in it, the first new one would need to be believed
 * by those that have not heard of its CA.
 *
 * What to do follows from what the last complete update has left, so a further `up` is the next step, and an update that
 * was interrupted is done again. Pure.
 *
 * @param last undefined for a cluster that is yet to come: it starts with the wanted generation
 * @param wanted the setting `certificates.caRotation`, which {@link authorityProblem} has nothing against
 */
export function authorityStep(last: AuthorityGenerations | undefined, wanted: number): AuthorityStep {
    if (last === undefined) {
        return { signing: wanted, trusted: [wanted] };
    }
    const { signing, trusted } = last;
    if (signing !== wanted) {
        return trusted.includes(wanted)
            ? {
                  signing: wanted,
                  trusted: [wanted, signing],
                  said: `${step(2)}: certificates come from generation ${wanted}, ${both(wanted, signing)}. ${again(3)}`,
              }
            : {
                  signing,
                  trusted: [signing, wanted],
                  said: `${step(1)}: ${both(signing, wanted)}. ${again(2)}`,
              };
    }
    const former = trusted.filter((each) => each !== wanted);
    return {
        signing,
        trusted: [signing],
        ...(former.length > 0 && {
            said: `${step(3)}: generation ${former.join(", ")} is believed no more, and the rotation is complete.`,
        }),
    };
}

/** Why the setting cannot be this now: a rotation that has begun is finished first. Undefined if it can. Pure. */
export function authorityProblem(last: AuthorityGenerations | undefined, wanted: number): string | undefined {
    if (last === undefined) {
        return undefined;
    }
    const newest = Math.max(...last.trusted);
    if (last.trusted.length > 1 && wanted !== newest) {
        // An update that was interrupted may have given certificates of the newest to some nodes.
        const updates = last.signing === newest ? "one more up" : "two more ups";
        return (
            `is ${wanted}, but nodes are on their way to the CAs of generation ${newest}; ` +
            `set it to ${newest} until that is complete, which takes ${updates}`
        );
    }
    if (wanted < newest) {
        return `is ${wanted}, but the CAs of generation ${newest} sign already; set it to ${newest}, or raise it`;
    }
    return undefined;
}

function step(number: number): string {
    return `Rotation of the CAs, step ${number} of 3`;
}

function both(one: number, other: number): string {
    return `every node believes generations ${Math.min(one, other)} and ${Math.max(one, other)}`;
}

function again(next: number): string {
    return `When this update is complete, another up is step ${next}.`;
}
