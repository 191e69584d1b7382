import * as zlib from "node:zlib";

/** A ZIP archive as HashiCorp's and Python's tools write it, for the tests of its reader. */
export function makeZip(files: Record<string, { content: Buffer; store?: boolean }>): Buffer {
    const locals: Buffer[] = [];
    const directory: Buffer[] = [];
    let offset = 0;
    for (const [name, { content, store }] of Object.entries(files)) {
        const data = store ? content : zlib.deflateRawSync(content);
        const common = Buffer.alloc(26);
        common.writeUInt16LE(20, 0);
        common.writeUInt16LE(store ? 0 : 8, 4);
        common.writeUInt32LE(zlib.crc32?.(content) ?? 0, 10);
        common.writeUInt32LE(data.length, 14);
        common.writeUInt32LE(content.length, 18);
        common.writeUInt16LE(Buffer.byteLength(name), 22);
        const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), data]);
        const tail = Buffer.alloc(14);
        tail.writeUInt32LE(offset, 10);
        directory.push(
            Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 3]), common, tail, Buffer.from(name)]),
        );
        locals.push(local);
        offset += local.length;
    }
    const central = Buffer.concat(directory);
    const end = Buffer.alloc(18);
    end.writeUInt16LE(directory.length, 4);
    end.writeUInt16LE(directory.length, 6);
    end.writeUInt32LE(central.length, 8);
    end.writeUInt32LE(offset, 12);
    return Buffer.concat([...locals, central, Buffer.from("PK\x05\x06"), end]);
}
