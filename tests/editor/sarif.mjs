// What `sonder check --format sarif` prints, against the official schema of SARIF 2.1.0.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";

const load = createRequire(join(process.env.SONDER_EDITOR, "package.json"));
const Ajv = load("ajv");
const schema = JSON.parse(readFileSync(load.resolve("@microsoft/jest-sarif").replace(/index\.js$/, "schemas/sarif-2.1.0-rtm.5.json"), "utf8"));
const ajv = new Ajv({ schemaId: "id", allErrors: true, unknownFormats: "ignore" });
ajv.addMetaSchema(load("ajv/lib/refs/json-schema-draft-04.json"));
const validate = ajv.compile(schema);

/** The report on the project with some files changed. */
function report(context, files) {
  const folder = mkdtempSync(join(tmpdir(), "sonder-sarif-"));
  context.after(() => rmSync(folder, { recursive: true }));
  cpSync(process.env.SONDER_PROJECT, folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  const [cwd, project] = [dirname(folder), basename(folder)];
  const { stdout, status } = spawnSync(process.env.SONDER_BIN, ["check", project, "--format", "sarif"], { cwd, encoding: "utf8" });
  const report = JSON.parse(stdout);
  assert.ok(validate(report), JSON.stringify(validate.errors, null, 1));
  return { run: report.runs[0], status, project };
}

test("a project without mistakes", (context) => {
  const { run, status } = report(context, {});
  assert.deepEqual([run.results, status], [[], 0]);
});

test("errors and warnings, with places, in several files", (context) => {
  const { run, status, project } = report(context, {
    "rules/base.sonder": 'segment buyers "😀" { when did(ordr) }\n\ntrait spent = sum(order.totl)\n',
    "rules/more.sonder": 'journey j { enter on order where state == "paidd" wait 2 hours }\nsegment x { when count(order) < 0 }\n',
    "events/order.yaml": "event: order\npropertys: {}\nproperties:\n  total: {type: number}\n  state: {type: string, enum: [paid, open]}\n",
    "events/twice.yaml": "event: order\n",
    "profiles.yaml": "traits: {}\n",
  });
  assert.equal(status, 1);
  assert.ok(run.results.length >= 7, JSON.stringify(run.results.map((result) => result.ruleId)));
  const rules = new Set(run.tool.driver.rules.map((rule) => rule.id));
  for (const result of run.results) {
    assert.ok(rules.has(result.ruleId), `${result.ruleId} is described`);
    const { artifactLocation, region } = result.locations[0].physicalLocation;
    assert.ok(artifactLocation.uri.startsWith(`${project}/`), "paths are those of the repository");
    assert.ok(region.startLine >= 1 && region.startColumn >= 1);
  }
  assert.ok(run.results.some((result) => result.level === "warning"));
  assert.ok(run.results.some((result) => result.level === "error"));
});
