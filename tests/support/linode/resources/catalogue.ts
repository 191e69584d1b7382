import { images } from "../catalogue/images";
import { regions } from "../catalogue/regions";
import { linodeTypes, nodeBalancerTypes } from "../catalogue/types";
import { listOf } from "../collection";
import { notFound } from "../errors";
import { ids, type Routes } from "../routes";

/** What can be had, where, and for how much. */
export const catalogue: Routes = (app, { soldOut }) => {
    app.get("/linode/types", (request) =>
        listOf(linodeTypes, request, ["class", "disk", "gpus", "label", "memory", "transfer", "vcpus"]),
    );
    app.get("/linode/types/:id", (request) => found(linodeTypes, ids(request).id));
    app.get("/nodebalancers/types", (request) => listOf(nodeBalancerTypes, request, ["id", "label"]));

    app.get("/regions", (request) => listOf(regions, request, ["id", "country", "label", "status"]));
    app.get("/regions/:id", (request) => found(regions, ids(request).id));
    app.get("/regions/availability", (request) =>
        listOf(
            regions.flatMap(({ id }) => availability(id)),
            request,
            ["available", "plan", "region"],
        ),
    );
    app.get("/regions/:id/availability", (request) => availability(found(regions, ids(request).id).id));

    app.get("/images", (request) =>
        listOf(images, request, [
            "deprecated",
            "id",
            "is_public",
            "label",
            "size",
            "status",
            "type",
            "vendor",
        ]),
    );
    // An image's id has a slash in it, which clients send as it is or as %2F.
    app.get("/images/*", (request) => found(images, decodeURIComponent(ids(request)["*"]!)));

    function availability(region: string) {
        return linodeTypes.map(({ id }) => ({
            region,
            plan: id,
            available: !soldOut.has(`${region}/${id}`),
        }));
    }
};

function found<T extends { id: string }>(all: T[], id: string | undefined): T {
    const one = all.find((candidate) => candidate.id === id);
    if (!one) {
        throw notFound();
    }
    return one;
}
