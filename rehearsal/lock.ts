import { withLock } from "../toolchain/locks";

/** A lock that is held from one call to another, and not for the time of one. */
export function hold(name: string, onWait: (holder: string) => void): Promise<() => Promise<void>> {
    return new Promise((resolve, reject) => {
        const held: Promise<void> = withLock(
            name,
            () =>
                new Promise<void>((end) =>
                    resolve(() => {
                        end();
                        return held;
                    }),
                ),
            onWait,
        );
        held.catch(reject);
    });
}
