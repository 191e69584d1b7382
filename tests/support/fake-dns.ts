import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What a name server may say: instances' ports on 127.0.0.1, an error by its number (RFC 1035, 4.1.1), or nothing. */
export type DnsAnswer = { ports: number[] } | { error: number } | "silence";

export const dnsErrors = { servfail: 2, nxdomain: 3, refused: 5 };

/** A name server on TCP that gives one answer to every question for SRV records, as Consul's gives it. */
export class FakeDns {
    /** How many questions have come. */
    questions = 0;
    private answer: DnsAnswer = { ports: [] };
    private readonly sockets = new Set<Socket>();

    private constructor(
        private readonly server: Server,
        readonly port: number,
    ) {}

    static async start(): Promise<FakeDns> {
        const server = createServer().listen(0, "127.0.0.1");
        await once(server, "listening");
        const dns = new FakeDns(server, (server.address() as AddressInfo).port);
        server.on("connection", (socket) => dns.converse(socket));
        return dns;
    }

    says(answer: DnsAnswer): void {
        this.answer = answer;
    }

    async stop(): Promise<void> {
        this.sockets.forEach((socket) => socket.destroy());
        this.server.close();
        await once(this.server, "close");
    }

    private converse(socket: Socket): void {
        this.sockets.add(socket);
        socket.on("close", () => this.sockets.delete(socket)).on("error", () => undefined);
        let heard = Buffer.alloc(0);
        socket.on("data", (part: Buffer) => {
            heard = Buffer.concat([heard, part]);
            // Over TCP each message comes after its length.
            while (heard.length >= 2 && heard.length >= 2 + heard.readUInt16BE(0)) {
                const length = heard.readUInt16BE(0);
                const question = heard.subarray(2, 2 + length);
                heard = heard.subarray(2 + length);
                this.questions += 1;
                if (this.answer !== "silence") {
                    const reply = replyTo(question, this.answer);
                    socket.write(Buffer.concat([short(reply.length), reply]));
                }
            }
        });
    }
}

function replyTo(asked: Buffer, answer: Exclude<DnsAnswer, "silence">): Buffer {
    // The question is repeated; what comes after it, the resolver's own additional record, is not.
    const question = asked.subarray(12, asked.indexOf(0, 12) + 5);
    const ports = "ports" in answer ? answer.ports : [];
    const flags = 0x8580 | ("error" in answer ? answer.error : 0);
    const counts = [1, ports.length, 0, ports.length];
    return Buffer.concat([
        asked.subarray(0, 2),
        ...[flags, ...counts].map(short),
        question,
        // Priority and weight are 1.
        ...ports.map((port) =>
            record(question.subarray(0, -4), 33, [short(1), short(1), short(port), target(port)]),
        ),
        ...ports.map((port) => record(target(port), 1, [Buffer.from([127, 0, 0, 1])])),
    ]);
}

function record(name: Buffer, type: number, data: Buffer[]): Buffer {
    const all = Buffer.concat(data);
    return Buffer.concat([name, short(type), short(1), short(0), short(0), short(all.length), all]);
}

/** A host name for each port, as Consul has one for each address. */
function target(port: number): Buffer {
    const label = `instance-${port}`;
    return Buffer.concat([Buffer.from([label.length]), Buffer.from(label), Buffer.from([0])]);
}

function short(value: number): Buffer {
    const two = Buffer.alloc(2);
    two.writeUInt16BE(value);
    return two;
}
