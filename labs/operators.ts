import * as pulumi from "@pulumi/pulumi";

import { addressService, isAmong, ownNetwork } from "../components/machines/linode/own-address";
import { type Config, isOnLinode } from "../config";
import { formatProblems } from "../config-errors";

/**
 * The settings with the operators' networks filled in where a substrate's firewalls need them and the stack names none:
 * the address that this program is seen with. Warns when the stack names some, and that address is not among them.
 *
 * @throws pulumi.RunError when it has to be found out and cannot. To be called before the first resource.
 */
export async function withOperators(config: Config): Promise<Config> {
    if (!isOnLinode(config)) {
        return config;
    }
    const { operators } = config.linode;
    if (operators !== undefined) {
        await warnOutsiders(operators);
        return config;
    }
    try {
        return { ...config, linode: { ...config.linode, operators: [await own()] } };
    } catch (error) {
        const message = `${(error as Error).message}; name your networks, such as ["203.0.113.7/32"]`;
        throw new pulumi.RunError(formatProblems([{ path: "linode.operators", message }]));
    }
}

function own(): Promise<string> {
    return ownNetwork(process.env["GATEHOUSE_ADDRESS_URL"] || addressService);
}

/** Whoever previews need not be the one who updates; nor does it matter who cannot find out. */
async function warnOutsiders(operators: readonly string[]): Promise<void> {
    const network = await own().catch(() => undefined);
    if (network !== undefined && !isAmong(network.replace(/\/32$/, ""), operators)) {
        await pulumi.log.warn(
            `gatehouse:linode.operators does not have the address that this computer is seen with (${network}): an ` +
                "update from here cannot reach the machines by SSH. Add it, or update from one of those networks.",
        );
    }
}
