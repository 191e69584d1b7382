import { randomBytesResource, randomId, randomUuid } from "./bytes";
import { randomPassword, randomStringResource } from "./strings";

import type { ProviderDefinition } from "../lib";

export const randomProvider: ProviderDefinition<object> = {
    name: "random",
    version: "4.21.2",
    config: {},
    configure: () => ({}),
    resources: {
        "random:index/randomBytes:RandomBytes": randomBytesResource,
        "random:index/randomId:RandomId": randomId,
        "random:index/randomPassword:RandomPassword": randomPassword,
        "random:index/randomString:RandomString": randomStringResource,
        "random:index/randomUuid:RandomUuid": randomUuid,
    },
};
