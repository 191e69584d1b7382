export { libraryFolder, machineConfig, unit } from "./base";
export { mergeCloudConfig, renderUserData, userDataLimit } from "./cloud-config";
export type { AptSource, CloudConfig, WriteFile } from "./cloud-config";
export { consulConfiguration, consulHost, consulRole } from "./consul";
export type { ConsulRoleArgs } from "./consul";
export { dockerRole } from "./docker";
export type { DockerRoleArgs } from "./docker";
export { nomadConfiguration, nomadHost, nomadRole } from "./nomad";
export type { NomadClientArgs, NomadRoleArgs } from "./nomad";
