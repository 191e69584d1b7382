// Waits until an address answers with status 200 and a body that has the given text, and says what it saw last if that
// does not happen in time: node wait-for-http.js URL SECONDS [TEXT]
const [, , url = "", seconds, text = ""] = process.argv;
const deadline = Date.now() + Number(seconds) * 1000;

async function look() {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
    const body = (await answer.text()).trim();
    return answer.status === 200 && body.includes(text)
        ? undefined
        : `status ${answer.status}: ${body.slice(0, 200)}`;
}

async function main() {
    for (;;) {
        const seen = await look().catch((error) => String(error.cause?.message ?? error.message));
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
