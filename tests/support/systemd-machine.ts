import { systemdInContainer } from "../../components/machines/docker-machine";

/** What `docker create` is told so that systemd runs in a container as it does in the Docker substrate's. */
export function systemdFlags(): string[] {
    const { capabilities, securityOpts, tmpfs, cgroupnsMode, stopSignal } = systemdInContainer;
    return [
        ...capabilities.adds.map((each) => `--cap-add=${each}`),
        ...capabilities.drops.map((each) => `--cap-drop=${each}`),
        ...securityOpts.map((each) => `--security-opt=${each}`),
        ...Object.keys(tmpfs).map((each) => `--tmpfs=${each}`),
        `--cgroupns=${cgroupnsMode}`,
        `--stop-signal=${stopSignal}`,
        "--tty",
    ];
}
