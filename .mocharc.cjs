// @ts-check
// Mocha adds files from the command line to the ones named here; whoever names a file wants only that.
const named = process.argv.slice(2).some((argument) => /\.ts$|^tests\//.test(argument));

module.exports = {
    "node-option": ["import=tsx"],
    extension: ["ts"],
    spec: named ? [] : ["tests/unit/**/*.test.ts", "tests/program/**/*.test.ts"],
    timeout: 60_000,
    exit: true,
};
