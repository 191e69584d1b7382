import { readFile } from "node:fs/promises";

import type { Upload } from "./container-schema";

/** The files as one archive to unpack at the container's root, so that a start never sees half of them. */
export async function uploadArchive(uploads: Upload[]): Promise<Buffer> {
    const { pack } = await import("tar-stream");
    const archive = pack();
    const chunks: Buffer[] = [];
    const done = new Promise<void>((resolve, reject) => {
        archive.on("data", (chunk) => chunks.push(chunk as Buffer));
        archive.on("end", resolve);
        archive.on("error", reject);
    });
    for (const upload of uploads) {
        const content = await contentOf(upload);
        archive.entry(
            { name: upload.file.replace(/^\/+/, ""), mode: modeOf(upload), mtime: new Date(0) },
            content,
        );
    }
    archive.finalize();
    await done;
    return Buffer.concat(chunks);
}

async function contentOf(upload: Upload): Promise<Buffer> {
    if (upload.source !== undefined) {
        try {
            return await readFile(upload.source);
        } catch (error) {
            throw new Error(
                `uploads: the source of ${upload.file} cannot be read: ${(error as Error).message}`,
                { cause: error },
            );
        }
    }
    return upload.contentBase64 !== undefined
        ? Buffer.from(upload.contentBase64, "base64")
        : Buffer.from(upload.content ?? "", "utf8");
}

function modeOf(upload: Upload): number {
    if (upload.permissions !== undefined) {
        return Number.parseInt(upload.permissions, 8);
    }
    return upload.executable ? 0o744 : 0o644;
}
