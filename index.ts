import { readConfig } from "./config";
import { createLab } from "./labs";

const lab = createLab(readConfig());

/** Where to look: an address for each thing a person can open. */
export const urls = lab.urls;
/** The jobs that run, each with its status and address. */
export const jobs = lab.jobs;
/** Every machine's name, roles, addresses and boot time in seconds. */
export const machines = lab.machines;
/** Secret: variables for the consul and nomad command lines, and the operator's credentials. */
export const environment = lab.environment;
/** The lab as a Mermaid diagram. */
export const topology = lab.topology;
/** The page that Pulumi's console shows for the stack. */
export const readme = lab.readme;
