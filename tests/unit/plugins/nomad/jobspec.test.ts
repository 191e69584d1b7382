import assert from "node:assert/strict";

import fc from "fast-check";

import { NomadClient } from "../../../../plugins/nomad/client";
import { outline, quote, renderVariables } from "../../../../plugins/nomad/jobspec";
import { startNomad, type Agent } from "../../../support/agents";

describe("the outline of a job specification", () => {
    const read = (jobspec: string) => {
        const found = outline(jobspec);
        return found && { ...found, variables: Object.fromEntries(found.variables) };
    };

    it("finds the job and the kinds of its variables", () => {
        const jobspec = `
# job "comment" {}
/* variable "x" {} */ // variable "y" {}
locals { brace = "}" }
variable "plain" {}
variable "text" { type = string }
variable "count" {
  type        = number # a number
  description = "how many { [ ( "
}
variable "flag" { default = true }
variable "names" { type = list(string) }
variable "shape" {
  type = object({
    width = number
  })
}
variable "guessed" {
  default = [
    "a", # }
  ]
}
variable "said" { default = "true" }
job "web" {
  namespace = "prod"
  group "g" {
    task "t" {
      template {
        data = <<-EOT
          job "inner" { {{ if }} "
          EOT
      }
      config { args = ["\${"}"}", "$\${", "%{ if true }{%{ endif }"] }
    }
  }
}
`;
        assert.deepEqual(read(jobspec), {
            id: "web",
            namespace: "prod",
            variables: {
                plain: "text",
                text: "text",
                count: "text",
                flag: "expression",
                names: "expression",
                shape: "expression",
                guessed: "expression",
                said: "text",
            },
        });
    });

    it("does not guess what the specification computes", () => {
        const computed = 'job "x" {\n  id = var.name\n  namespace = "a-${var.b}"\n}';
        assert.deepEqual(read(computed), { id: undefined, namespace: undefined, variables: {} });
        assert.deepEqual(read('job "x" {\n  id = "y"\n}'), { id: "y", namespace: "default", variables: {} });
    });

    it("has none where the syntax is broken, and never hangs or fails otherwise", () => {
        for (const broken of ['job "x" {', 'job "x {}', "a = <<EOT\n", "/*", "job ! {}", "}"]) {
            assert.equal(outline(broken), undefined, broken);
        }
        const pieces = fc.constantFrom(
            'job "x" {',
            "}",
            '"',
            "${",
            "%{",
            "{",
            "<<E\n",
            "E\n",
            "=",
            "#",
            "/*",
            "*/",
            "\\",
            "a",
            "\n",
            "[",
            ")",
            "é",
        );
        fc.assert(fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => void outline(parts.join(""))));
    });
});

describe("rendered variables, read by Nomad's own parser", () => {
    let agent: Agent;
    let client: NomadClient;

    before(async function () {
        this.timeout(60_000);
        agent = await startNomad();
        client = new NomadClient({ address: agent.address }, {});
    });
    after(async function () {
        this.timeout(60_000);
        await agent?.stop();
    });

    async function metaOf(type: string, value: string, expression = "var.it"): Promise<unknown> {
        const jobspec = `
variable "it" {
  type = ${type}
}
variable "other" {
  default = "untouched"
}
job "x" {
  meta {
    it    = ${expression}
    other = var.other
  }
}`;
        const job = await client.parse(jobspec, renderVariables(jobspec, { it: value }), false);
        const meta = (job as { Meta: Record<string, string> }).Meta;
        assert.equal(meta.other, "untouched");
        return meta.it;
    }

    it("means exactly the text that was given", async function () {
        this.timeout(60_000);
        const nasty = fc.constantFrom(
            "${",
            "$${",
            "%{",
            "%%{",
            "$",
            "{",
            "}",
            '"',
            "\\",
            "\\n",
            "\n",
            "\r",
            "\t",
            "\0",
            "é",
            "💥",
            "\u2028",
            "#",
            "EOT",
            "\uFEFF",
        );
        const text = fc.oneof(
            fc.array(nasty, { maxLength: 8 }).map((parts) => parts.join("")),
            fc.string({ unit: "grapheme" }),
        );
        await fc.assert(
            fc.asyncProperty(text, async (value) => {
                // HCL knows strings in Unicode's composed form only.
                assert.equal(await metaOf("string", value), value.normalize("NFC"), quote(value));
            }),
            { numRuns: 150 },
        );
    });

    it("reads other types as expressions", async () => {
        assert.equal(await metaOf("number", "42", "var.it + 1"), "43");
        assert.equal(await metaOf("bool", "true", 'var.it ? "yes" : "no"'), "yes");
        assert.equal(await metaOf("list(string)", '["a", "b"] # end', 'join("-", var.it)'), "a-b");
        assert.equal(await metaOf("list(string)", '[\n"a",\n<<E\nx\nE\n]', 'join("-", var.it)'), "a-x\n");
        assert.equal(await metaOf("map(number)", '{"a b": 1, c = 2}', 'join(",", keys(var.it))'), "a b,c");
        assert.equal(await metaOf("bool", "null", 'var.it == null ? "none" : "some"'), "none");
    });

    it("lets no value set another variable", async () => {
        for (const value of [
            'true)\nother = ("gone"',
            "true\nother = 1",
            "true\n)\nother = (\n1",
            '"',
            "",
            "[",
        ]) {
            await assert.rejects(metaOf("bool", value), `accepted ${JSON.stringify(value)}`);
        }
        assert.equal(await metaOf("string", 'x"\nother = "gone'), 'x"\nother = "gone');
    });
});
