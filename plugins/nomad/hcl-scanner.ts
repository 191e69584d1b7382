/**
 * As much of HCL's native syntax as is needed to find blocks and attributes in a job specification without a full
 * parser: it knows strings with templates, heredocs, comments and brackets.
 */

export interface Token {
    kind: "identifier" | "string" | "punctuation" | "newline" | "other";
    /** For strings: the raw text between the quotes. */
    text: string;
    start: number;
    end: number;
}

export class HclSyntaxError extends Error {
    constructor(message: string) {
        super(message);
        this.name = "HclSyntaxError";
    }
}

const identifier = /[\p{ID_Start}_][\p{ID_Continue}-]*/uy;
const number = /[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const heredoc = /<<-?([\p{ID_Start}_][\p{ID_Continue}-]*)\r?\n/uy;

export function tokenize(source: string): Token[] {
    const tokens: Token[] = [];
    let position = 0;
    const match = (pattern: RegExp): RegExpExecArray | null => {
        pattern.lastIndex = position;
        return pattern.exec(source);
    };
    const push = (kind: Token["kind"], end: number, text = source.slice(position, end)): void => {
        tokens.push({ kind, text, start: position, end });
        position = end;
    };
    while (position < source.length) {
        const character = source[position]!;
        if (character === "\n") {
            push("newline", position + 1);
        } else if (/\s|\uFEFF/.test(character)) {
            position++;
        } else if (character === "#" || source.startsWith("//", position)) {
            position = indexOrEnd(source, "\n", position);
        } else if (source.startsWith("/*", position)) {
            const end = source.indexOf("*/", position + 2);
            if (end < 0) {
                throw new HclSyntaxError("a comment is not closed");
            }
            position = end + 2;
        } else if (character === '"') {
            const end = endOfString(source, position);
            push("string", end, source.slice(position + 1, end - 1));
        } else if (character === "<" && match(heredoc)) {
            push("string", endOfHeredoc(source, match(heredoc)!));
        } else {
            const word = match(identifier);
            const digits = word ? null : match(number);
            if (word) {
                push("identifier", position + word[0].length);
            } else if (digits) {
                push("other", position + digits[0].length);
            } else {
                push("{}[]()=,.".includes(character) ? "punctuation" : "other", position + 1);
            }
        }
    }
    return tokens;
}

function indexOrEnd(source: string, what: string, from: number): number {
    const index = source.indexOf(what, from);
    return index < 0 ? source.length : index;
}

/** The position after the closing quote of the string that starts at `start`; templates may hold strings of their own. */
function endOfString(source: string, start: number): number {
    let position = start + 1;
    while (position < source.length) {
        const character = source[position];
        if (character === "\\") {
            position += 2;
        } else if (character === '"') {
            return position + 1;
        } else if (character === "\n") {
            break;
        } else if (/^(\$\$\{|%%\{)/.test(source.slice(position, position + 3))) {
            position += 3;
        } else if (/^[$%]\{/.test(source.slice(position, position + 2))) {
            position = endOfTemplate(source, position + 2);
        } else {
            position++;
        }
    }
    throw new HclSyntaxError("a string is not closed");
}

/** The position after the brace that closes an interpolation whose content starts at `start`. */
function endOfTemplate(source: string, start: number): number {
    let depth = 1;
    let position = start;
    while (position < source.length) {
        const character = source[position];
        if (character === '"') {
            position = endOfString(source, position);
            continue;
        }
        if (character === "{") {
            depth++;
        } else if (character === "}" && --depth === 0) {
            return position + 1;
        }
        position++;
    }
    throw new HclSyntaxError("a template is not closed");
}

function endOfHeredoc(source: string, opening: RegExpExecArray): number {
    let line = opening.index + opening[0].length;
    while (line < source.length) {
        const end = indexOrEnd(source, "\n", line);
        if (source.slice(line, end).trim() === opening[1]) {
            // The newline after the marker ends the attribute as usual.
            return end;
        }
        line = end + 1;
    }
    throw new HclSyntaxError(`a heredoc is not closed by ${opening[1]}`);
}

export interface Attribute {
    name: string;
    /** The expression's tokens. */
    expression: Token[];
}

export interface Block {
    type: string;
    labels: string[];
    attributes: Attribute[];
    blocks: Block[];
}

export type Body = Pick<Block, "attributes" | "blocks">;

/** The source's attributes and blocks; expressions are not looked into. */
export function readBody(source: string): Body {
    const tokens = tokenize(source);
    const [body, next] = bodyFrom(tokens, 0);
    if (next < tokens.length) {
        throw new HclSyntaxError(`unexpected "${tokens[next]!.text}"`);
    }
    return body;
}

function bodyFrom(tokens: Token[], start: number): [Body, number] {
    const body: Body = { attributes: [], blocks: [] };
    let index = start;
    while (index < tokens.length) {
        const token = tokens[index]!;
        if (token.kind === "newline") {
            index++;
        } else if (token.text === "}" && token.kind === "punctuation") {
            return [body, index];
        } else if (tokens[index + 1]?.text === "=" && tokens[index + 1]?.kind === "punctuation") {
            const end = endOfExpression(tokens, index + 2);
            body.attributes.push({ name: token.text, expression: tokens.slice(index + 2, end) });
            index = end;
        } else if (token.kind === "identifier") {
            const labels: string[] = [];
            for (index++; tokens[index]?.kind === "string" || tokens[index]?.kind === "identifier"; index++) {
                labels.push(tokens[index]!.text);
            }
            if (tokens[index]?.text !== "{") {
                throw new HclSyntaxError(`"${token.text}" is followed by neither "=" nor "{"`);
            }
            const [content, end] = bodyFrom(tokens, index + 1);
            if (!tokens[end]) {
                throw new HclSyntaxError(`the block "${token.text}" is not closed`);
            }
            body.blocks.push({ type: token.text, labels, ...content });
            index = end + 1;
        } else {
            throw new HclSyntaxError(`unexpected "${token.text}"`);
        }
    }
    return [body, index];
}

/** An expression ends at the first newline or closing brace outside of brackets. */
function endOfExpression(tokens: Token[], start: number): number {
    let depth = 0;
    for (let index = start; index < tokens.length; index++) {
        const { kind, text } = tokens[index]!;
        if (kind === "newline" && depth === 0) {
            return index;
        }
        if (kind === "punctuation") {
            if ("{[(".includes(text)) {
                depth++;
            } else if ("}])".includes(text) && depth-- === 0) {
                return index;
            }
        }
    }
    return tokens.length;
}

/** Whether the source is one bracketed-as-it-should-be expression, which cannot end what is around it. */
export function isSingleExpression(source: string): boolean {
    const open: string[] = [];
    const closing: Record<string, string> = { "{": "}", "[": "]", "(": ")" };
    try {
        const tokens = tokenize(source).filter((token) => token.kind !== "newline");
        for (const { kind, text } of tokens) {
            if (kind === "punctuation" && closing[text]) {
                open.push(closing[text]!);
            } else if (kind === "punctuation" && "}])".includes(text) && open.pop() !== text) {
                return false;
            }
        }
        return tokens.length > 0 && open.length === 0;
    } catch (error) {
        if (error instanceof HclSyntaxError) {
            return false;
        }
        throw error;
    }
}
