import { type Block, type Body, HclSyntaxError, isSingleExpression, readBody } from "./hcl-scanner";

/** What a job specification says about itself without being evaluated. */
export interface JobOutline {
    /** The job's ID and namespace where the specification states them literally. */
    id: string | undefined;
    namespace: string | undefined;
    /** How the value of each declared variable is read: as text, or as an expression. */
    variables: Map<string, "text" | "expression">;
}

/** Reads the outline of an HCL specification; one that cannot be read has none (the server explains what is wrong). */
export function outline(jobspec: string): JobOutline | undefined {
    let body: Body;
    try {
        body = readBody(jobspec);
    } catch (error) {
        if (error instanceof HclSyntaxError) {
            return undefined;
        }
        throw error;
    }
    const job = body.blocks.find((block) => block.type === "job");
    const variables = body.blocks.filter((block) => block.type === "variable" && block.labels.length === 1);
    return {
        id: job && (has(job, "id") ? literal(job, "id") : literalText(job.labels[0])),
        namespace: job && (has(job, "namespace") ? literal(job, "namespace") : "default"),
        variables: new Map(variables.map((block) => [block.labels[0]!, reading(block)])),
    };
}

function has(block: Block, name: string): boolean {
    return block.attributes.some((attribute) => attribute.name === name);
}

function literal(block: Block, name: string): string | undefined {
    const expression = block.attributes.find((attribute) => attribute.name === name)?.expression ?? [];
    return expression.length === 1 && expression[0]!.kind === "string"
        ? literalText(expression[0]!.text)
        : undefined;
}

function literalText(text: string | undefined): string | undefined {
    return text === undefined || /[\\$%]/.test(text) ? undefined : text;
}

/**
 * Nomad's rule for `-var` (jobspec2/types.variables.go, expressionFromVariableDefinition): the value of a variable of
 * type string, number or none is text; every other value is an expression. Without a type, that of the default counts.
 */
function reading(variable: Block): "text" | "expression" {
    const type = variable.attributes.find((attribute) => attribute.name === "type")?.expression;
    if (type) {
        return type.length === 1 && /^(string|number)$/.test(type[0]!.text) ? "text" : "expression";
    }
    const start = variable.attributes.find((attribute) => attribute.name === "default")?.expression[0];
    return start &&
        (/^[[{]$/.test(start.text) || /^(true|false)$/.test(start.text)) &&
        start.kind !== "string"
        ? "expression"
        : "text";
}

/** Raised for variables that the specification cannot take. */
export class VariableError extends Error {}

/**
 * The variables as the content of a variables file, which is what the server's parser accepts, read by the rules of
 * `-var`, which is what the official plugin uses.
 */
export function renderVariables(jobspec: string, vars: Readonly<Record<string, string>>): string {
    const names = Object.keys(vars).sort();
    if (names.length === 0) {
        return "";
    }
    const declared = outline(jobspec)?.variables;
    return names
        .map((name) => {
            const how = declared ? declared.get(name) : "text";
            if (how === undefined) {
                throw new VariableError(
                    `hcl2.vars sets "${name}", which the job specification does not declare; add ` +
                        `variable "${name}" {} to it, or leave the value out`,
                );
            }
            return `${name} = ${how === "text" ? quote(vars[name]!) : expression(name, vars[name]!)}\n`;
        })
        .join("");
}

function expression(name: string, value: string): string {
    if (!isSingleExpression(value)) {
        throw new VariableError(
            `hcl2.vars["${name}"] is not an HCL expression, which a variable of this type needs, e.g. true or ["a", "b"]`,
        );
    }
    // On lines of its own, because the value may end with a comment or a heredoc.
    return `(\n${value}\n)`;
}

/** An HCL string literal that means exactly this text. */
export function quote(text: string): string {
    const escaped = text
        .replace(/\\/g, "\\\\")
        .replace(/"/g, '\\"')
        .replace(/\n/g, "\\n")
        .replace(/\r/g, "\\r")
        .replace(/\t/g, "\\t")
        .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/g, (character) => {
            return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
        })
        // Not `$${`: text that has a dollar sign of its own before it would be read differently.
        .replace(/\$(?=\{)/g, "\\u0024")
        .replace(/%(?=\{)/g, "\\u0025");
    return `"${escaped}"`;
}
