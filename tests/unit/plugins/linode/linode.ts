import { linodeProvider } from "../../../../plugins/linode/provider";
import { LinodeEmulator, type EmulatorOptions } from "../../../support/linode/emulator";
import { ProviderHarness, Secret } from "../../../support/provider-harness";
import { Resources } from "../resources";

const module: Record<string, string> = {
    Domain: "domain",
    DomainRecord: "domainRecord",
    Firewall: "firewall",
    Instance: "instance",
    NodeBalancer: "nodeBalancer",
    NodeBalancerConfig: "nodeBalancerConfig",
    NodeBalancerNode: "nodeBalancerNode",
    PlacementGroup: "placementGroup",
    SshKey: "sshKey",
    Vpc: "vpc",
    VpcSubnet: "vpcSubnet",
};

/** The stand-in and the API that it acts on. */
export interface Rehearsal {
    emulator: LinodeEmulator;
    provider: ProviderHarness;
    of(type: keyof typeof module & string): Resources;
    stop(): Promise<void>;
}

export async function rehearse(options: EmulatorOptions = {}): Promise<Rehearsal> {
    const emulator = new LinodeEmulator({ speed: 0.001, ...options });
    await emulator.start();
    const provider = await ProviderHarness.start(linodeProvider, {
        url: emulator.url,
        token: new Secret(emulator.token),
        eventPollMs: 10,
        minRetryDelayMs: 20,
    });
    return {
        emulator,
        provider,
        of: (type) => new Resources(provider, `linode:index/${module[type]}:${type}`),
        stop: async () => {
            provider.close();
            await emulator.stop();
        },
    };
}

export const instanceArgs = {
    region: "us-ord",
    type: "g6-nanode-1",
    image: "linode/debian12",
    label: "server-1",
    authorizedKeys: ["ssh-ed25519 AAAA"],
    tags: ["gatehouse-dev"],
};
