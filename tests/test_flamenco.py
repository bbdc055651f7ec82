"""The Flamenco job type compiles to the tasks it should, with a stand-in for the manager. No farm is tried here."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "flamenco" / "washi_latent_export.js"

MANAGER = """
const made = [];
const author = {
  Task: (name, type) => ({ name, type, commands: [], after: [], addCommand(c) { this.commands.push(c); }, addDependency(t) { this.after.push(t.name); } }),
  Command: (name, parameters) => ({ name, ...parameters }),
};
const job = { settings: { recipe: "/s/r.toml", out: "/s/out", shards: 3, jobs: 2, exe: "{blender}", exe_args: "--command washi_latent" }, addTask: (t) => made.push(t) };
compileJob(job);
console.log(JSON.stringify({ settings: JOB_TYPE.settings.map((s) => s.key), made }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_one_task_a_share_then_one_that_finishes() -> None:
    done = subprocess.run(["node", "-"], input=SCRIPT.read_text() + MANAGER, capture_output=True, text=True, check=True)
    compiled = json.loads(done.stdout)
    assert {"recipe", "out", "shards", "jobs", "exe", "exe_args"} == set(compiled["settings"])
    *shares, last = compiled["made"]
    common = ["--command", "washi_latent", "export", "/s/r.toml", "--out", "/s/out"]
    assert [task["commands"][0]["args"] for task in shares] == [[*common, "--jobs", "2", "--shard", f"{i}/3"] for i in (1, 2, 3)]
    assert last["after"] == [task["name"] for task in shares]
    assert [command["args"] for command in last["commands"]] == [common, [*common, "--verify"]]
