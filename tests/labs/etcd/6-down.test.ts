import { lab } from "../../support/etcd-lab";
import { leavesNothing } from "../../support/nothing-left";

describe("etcd lab: down", function () {
    this.timeout("10m");

    before("bring it up", () => lab.ensureUp());
    after("remove what is left", () => lab.stack.startAfresh());

    it("leaves nothing", () => leavesNothing(lab));
});
