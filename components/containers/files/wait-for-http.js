// Waits until an address answers with status 200 and a body that has the given text, and says what it saw last if that
// does not happen in time: node wait-for-http.js URL SECONDS [TEXT]
const { get } = require("node:http");
const { once } = require("node:events");

const [, , url = "", seconds, text = ""] = process.argv;
const deadline = Date.now() + Number(seconds) * 1000;

// Not `fetch`: where the other side accepts a connection and ends it at once, as Docker's port proxy does for a container
// that does not listen yet, a fetch never ends, and Node does, with 0.
async function look() {
    const [answer] = await once(get(url, { agent: false, signal: AbortSignal.timeout(2000) }), "response");
    let body = "";
    for await (const part of answer.setEncoding("utf8")) {
        body += part;
    }
    return answer.statusCode === 200 && body.includes(text)
        ? undefined
        : `status ${answer.statusCode}: ${body.trim().slice(0, 200)}`;
}

async function main() {
    for (;;) {
        const seen = await look().catch((error) =>
            String(error.cause?.message || error.message || error.code),
        );
        if (seen === undefined) {
            return;
        }
        if (Date.now() > deadline) {
            throw new Error(`${url} did not answer as expected within ${seconds} s; last seen: ${seen}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
