import { inflateSync } from "node:zlib";

/** The program that a command's input unpacks (components/clusters/node-script.ts); other texts as they are. */
export function unpacked(text: string): string {
    return text.replace(/exec\(zlib\.decompress\(base64\.b64decode\("([^"]+)"\)\)\)/g, (_, packed: string) =>
        inflateSync(Buffer.from(packed, "base64")).toString(),
    );
}
