import * as assert from "node:assert/strict";

import * as fc from "fast-check";

import { Rotation } from "../../../bench/events/changes";
import { discoverySettings, haproxyConfig } from "../../../bench/events/haproxy";
import { instancesOf, servicesOf, signatureOf } from "../../../bench/events/instances";
import { Metrics } from "../../../bench/events/stage";
import { compare } from "../../../bench/events/throughput";

describe("bench: discovery by events", () => {
    it("gives every instance of a service an address and port of its own", () => {
        const instances = instancesOf(100, 10);
        assert.equal(new Set(instances.map(({ id }) => id)).size, 1000);
        assert.equal(new Set(instances.map(signatureOf)).size, 1000);
        const services = servicesOf(instances);
        assert.equal(services.length, 100);
        for (const service of services) {
            assert.equal(instances.filter((each) => each.service === service).length, 10);
        }
    });

    it("lets instances leave and come back in turn, never two of a service at a time", () => {
        fc.assert(
            fc.property(
                fc.integer({ min: 6, max: 30 }),
                fc.integer({ min: 20, max: 400 }),
                (services, turns) => {
                    const rotation = new Rotation(instancesOf(services, 3));
                    const out = new Set<string>();
                    let leaving = 0;
                    for (let turn = 0; turn < turns; turn += 1) {
                        const { instance, joins } = rotation.turn();
                        const { service } = instance;
                        assert.equal(out.has(service), joins);
                        leaving += joins ? 0 : 1;
                        if (joins) {
                            out.delete(service);
                        } else {
                            out.add(service);
                        }
                    }
                    assert.ok(out.size <= 6);
                    assert.ok(Math.abs(2 * leaving - turns) <= 6, `${leaving} of ${turns} leave`);
                    assert.deepEqual(new Set(rotation.absent().map(({ service }) => service)), out);
                },
            ),
        );
    });

    it("sets up the same HAProxy with and without the module", () => {
        const instances = instancesOf(1, 3);
        const plain = haproxyConfig({ instances, slots: 8, port: 1 }).split("\n");
        const module = haproxyConfig({ instances, slots: 8, port: 1, metricsPort: 2 }).split("\n");
        const without = (lines: string[], others: string[]) =>
            lines.filter((line) => !others.includes(line)).map((line) => line.trim());
        assert.deepEqual(without(plain, module), [
            "server web1 127.0.1.1:20000",
            "server web2 127.0.1.2:20000",
            "server web3 127.0.1.3:20000",
            "server-template spare 5 127.0.0.1:1 disabled",
        ]);
        assert.deepEqual(without(module, plain), [
            "log stdout format raw local0 err",
            "setenv DISCOVERY_SETTINGS /tmp/discovery.json",
            "lua-load /usr/local/lib/gatehouse/events.lua",
            "http-request lua.discovery-ready unless { var(proc.discovery) -m bool }",
            "server-template web 8 127.0.0.1:1 disabled",
            "frontend metrics",
            "no log",
            "bind *:2",
            "http-request use-service lua.discovery-metrics",
        ]);
    });

    it("has a backend for each service that is followed", () => {
        const instances = instancesOf(3, 2);
        const text = haproxyConfig({ instances, slots: 4, port: 1, metricsPort: 2 });
        const { services } = discoverySettings(servicesOf(instances), 8500) as {
            services: { backend: string }[];
        };
        assert.deepEqual(
            [...text.matchAll(/^backend (.*)$/gm)].map((match) => match[1]),
            services.map(({ backend }) => backend),
        );
    });

    it("reads the module's metrics", () => {
        const body = [
            "# TYPE gatehouse_discovery_lag_seconds gauge",
            'gatehouse_discovery_lag_seconds{service="a"} 0.5',
            'gatehouse_discovery_lag_seconds{service="b"} NaN',
            'gatehouse_discovery_slots{service="a"} 8',
            'gatehouse_discovery_slots_used{service="a"} 2',
            'gatehouse_discovery_slots_used{service="b"} 3',
        ].join("\n");
        const metrics = new Metrics({ status: 200, body });
        assert.equal(metrics.sum("slots_used"), 5);
        assert.deepEqual(metrics.values("lag_seconds"), [0.5]);
        assert.throws(() => metrics.sum("unplaced"), /no gatehouse_discovery_unplaced/);
        assert.throws(() => new Metrics({ status: 503, body: "no server" }), /503/);
    });

    it("compares rounds of the same turn", () => {
        const round = (requestsPerSecond: number) => ({
            requests: 100,
            seconds: 1,
            requestsPerSecond,
            p50Milliseconds: 1,
            p99Milliseconds: 2,
            maxMilliseconds: 3,
            failures: {},
            failed: 0,
            cpuMicroseconds: 20,
        });
        const figures = compare({
            plain: [100, 200, 400].map(round),
            module: [90, 200, 480].map(round),
            changing: [50, 100, 200].map(round),
        });
        const ratios = figures.filter(({ unit }) => unit === "ratio");
        assert.deepEqual(
            ratios.map(({ value }) => value),
            [1, 1, 0.5, 1],
        );
        assert.match(String(ratios[0]?.note), /from 0\.90 to 1\.20, all from 0\.90 to 1\.20/);
    });
});
