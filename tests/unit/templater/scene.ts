import { buildImages, removeImages } from "../balancers/image";
import { password, Scene } from "../balancers/scene";
import { Catalogue, type Registration } from "./catalogue";
import { LastingConsul } from "./consul";
import { RunningBalancer } from "./containers";

/** A real Consul, real instances, and HAProxy with the templater between them and the load. */
export class RenderedScene extends Scene {
    readonly catalogue: Catalogue;
    readonly balancer: RunningBalancer;

    private constructor(
        readonly consul: LastingConsul,
        settings: Record<string, string>,
    ) {
        super();
        this.catalogue = new Catalogue(consul);
        this.balancer = new RunningBalancer(this, {
            consul: consul.address,
            password,
            settings: { CONSUL_DNS_ADDR: consul.dns, ...settings },
        });
    }

    /** With instances that nobody has registered; neither HAProxy nor the templater runs yet. */
    static async prepare(instances: string[], settings: Record<string, string> = {}): Promise<RenderedScene> {
        await buildImages("haproxy", "templater");
        const scene = new RenderedScene(await LastingConsul.start(), settings);
        await scene.startInstances(...instances);
        await scene.choosePorts();
        return scene;
    }

    override async close(): Promise<void> {
        await this.balancer.remove();
        await super.close();
        await this.consul.remove();
        await removeImages("haproxy", "templater");
    }

    /** Registers instances of `web` by their names; `change` is what differs from what is true of them. */
    async register(names: string | string[], change: Partial<Registration> = {}): Promise<void> {
        for (const name of [names].flat()) {
            await this.catalogue.register({ id: name, port: this.portOf(name), ...change });
        }
    }

    async deregister(...names: string[]): Promise<void> {
        await this.catalogue.deregister(...names);
    }

    /** HAProxy, the templater, and traffic to instances that are registered. */
    async run(...names: string[]): Promise<void> {
        await this.register(names);
        await this.balancer.startHaproxy();
        await this.balancer.startTemplater();
        await this.answers([...names].sort().join(" "), { within: 30 });
    }
}
