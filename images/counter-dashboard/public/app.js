// eslint-disable-next-line @typescript-eslint/ban-ts-comment
// @ts-nocheck: this runs in the browser, whose types the program must not see.
"use strict";

const element = (id) => document.getElementById(id);
const shortestWait = 500;
const longestWait = 5000;
let wait = shortestWait;

function connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    socket.addEventListener("open", () => {
        wait = shortestWait;
        element("socket").dataset.up = "true";
    });
    socket.addEventListener("message", (event) => show(JSON.parse(event.data)));
    // An error is always followed by a close.
    socket.addEventListener("close", () => {
        showDisconnected();
        setTimeout(connect, wait);
        wait = Math.min(wait * 2, longestWait);
    });
}

function show(state) {
    setState(state.reachable ? "reachable" : "unreachable");
    element("mesh").dataset.up = String(state.reachable);
    element("count").textContent = state.count === null ? "–" : state.count.toLocaleString("en");
    element("hostname").textContent = state.hostname ?? "count-api";
    element("upstream").textContent = state.upstream;
    element("checked").textContent = new Date(state.checkedAt).toLocaleTimeString();
    setError(state.reachable ? null : `The counting service is unreachable: ${state.error}.`);
}

function showDisconnected() {
    setState("disconnected");
    element("socket").dataset.up = "false";
    delete element("mesh").dataset.up;
    setError("This page has lost the dashboard and tries to reach it again.");
}

function setState(state) {
    document.body.dataset.state = state;
    setText("status", state);
}

function setError(text) {
    element("error").hidden = text === null;
    setText("error", text ?? "");
}

/** Assigning the same text again would make screen readers repeat it. */
function setText(id, text) {
    if (element(id).textContent !== text) {
        element(id).textContent = text;
    }
}

connect();
