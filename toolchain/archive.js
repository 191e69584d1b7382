// @ts-check
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const zlib = require("node:zlib");
const { mustRun } = require("./run");

/**
 * Takes one file out of a ZIP archive (HashiCorp's releases, Python wheels). Minimal systems have no unzip.
 * @param {string} archive
 * @param {string} member
 * @param {string} target
 */
async function unzipFile(archive, member, target) {
    const handle = fs.openSync(archive, "r");
    try {
        const entry = findEntry(handle, fs.fstatSync(handle).size, member);
        const header = readAt(handle, entry.offset, 30);
        if (header.readUInt32LE(0) !== 0x04034b50) {
            throw new Error(`${archive} is damaged: no file header where the directory says`);
        }
        const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
        const source =
            entry.compressed === 0
                ? Readable.from([])
                : fs.createReadStream(archive, { start, end: start + entry.compressed - 1 });
        const sink = fs.createWriteStream(target, { mode: 0o755 });
        if (entry.method === 0) {
            await pipeline(source, sink);
        } else if (entry.method === 8) {
            await pipeline(source, zlib.createInflateRaw(), sink);
        } else {
            throw new Error(`${archive}: ${member} is compressed with the unknown method ${entry.method}`);
        }
        const { size } = fs.statSync(target);
        if (size !== entry.size) {
            throw new Error(`${archive} is damaged: ${member} has ${size} bytes, not ${entry.size}`);
        }
    } finally {
        fs.closeSync(handle);
    }
}

/**
 * Finds a file in the central directory, which starts at the place that the archive's last record names.
 * @param {number} handle
 * @param {number} size
 * @param {string} member
 */
function findEntry(handle, size, member) {
    const tailLength = Math.min(size, 65_557);
    const tail = readAt(handle, size - tailLength, tailLength);
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
    if (end < 0) {
        throw new Error("not a ZIP archive, or cut off");
    }
    const directory = readAt(handle, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === 0x02014b50;) {
        const nameLength = directory.readUInt16LE(at + 28);
        const name = directory.toString("utf8", at + 46, at + 46 + nameLength);
        if (name === member) {
            return {
                method: directory.readUInt16LE(at + 10),
                compressed: directory.readUInt32LE(at + 20),
                size: directory.readUInt32LE(at + 24),
                offset: directory.readUInt32LE(at + 42),
            };
        }
        at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    throw new Error(`the archive holds no ${member}`);
}

/** @param {number} handle @param {number} position @param {number} length */
function readAt(handle, position, length) {
    const buffer = Buffer.alloc(length);
    if (fs.readSync(handle, buffer, 0, length, position) !== length) {
        throw new Error("the archive is cut off");
    }
    return buffer;
}

/**
 * Takes one file out of a .tar.gz archive.
 * @param {string} archive
 * @param {string} member
 * @param {string} target
 */
async function untarFile(archive, member, target) {
    const folder = fs.mkdtempSync(`${target}.unpack-`);
    try {
        await mustRun("tar", ["-xzf", archive, "-C", folder, member], {
            what: `${path.basename(archive)} cannot be unpacked`,
        });
        fs.renameSync(path.join(folder, member), target);
        fs.chmodSync(target, 0o755);
    } finally {
        fs.rmSync(folder, { recursive: true, force: true });
    }
}

module.exports = { unzipFile, untarFile };
