// SPDX-License-Identifier: GPL-3.0-or-later
//
// A job type for Flamenco, Blender's farm manager: a Washi Latent batch export, one task a share (--shard).
//
// NOT TESTED on a farm: written from Flamenco 3's documentation of job compiler scripts, and only compiled, with a stand-in
// for the manager's functions, by this project's tests. Try a dry run first.
//
// Put this file into the folder `scripts` beside flamenco-manager and start the manager again. Every worker needs Washi Latent
// of one version, the same models, and the recipe and the export's folder on storage that all of them share.

const JOB_TYPE = {
    label: "Washi Latent Export",
    description: "Textures from a recipe, split over the farm; what is there already is not made again.",
    settings: [
        { key: "recipe", type: "string", subtype: "file_path", required: true,
          description: "The recipe (TOML), on storage that every worker sees" },
        { key: "out", type: "string", subtype: "dir_path", required: true,
          description: "Folder for the textures, on storage that every worker sees" },
        { key: "shards", type: "int32", default: 8, required: true,
          description: "Number of tasks that the textures are split into" },
        { key: "jobs", type: "int32", default: 1, required: true,
          description: "Processes of each task" },
        { key: "exe", type: "string", default: "{blender}", required: true, visible: "web",
          description: "Blender (or washi-latent, with exe_args left empty)" },
        { key: "exe_args", type: "string", default: "--command washi_latent", required: false, visible: "web",
          description: "What makes the program read a command of Washi Latent" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const shards = Math.max(1, settings.shards);
    const before = (settings.exe_args || "").split(" ").filter((part) => part.length > 0);
    const common = [...before, "export", settings.recipe, "--out", settings.out];

    const finish = author.Task("check", "misc");
    for (let shard = 1; shard <= shards; shard++) {
        const task = author.Task(`export-${shard}-of-${shards}`, "misc");
        task.addCommand(author.Command("exec", {
            exe: settings.exe,
            args: [...common, "--jobs", String(settings.jobs), "--shard", `${shard}/${shards}`],
        }));
        job.addTask(task);
        finish.addDependency(task);
    }

    // Without a share: makes what a lost worker left, the manifest, and the material library where the recipe wants one.
    finish.addCommand(author.Command("exec", { exe: settings.exe, args: common }));
    finish.addCommand(author.Command("exec", { exe: settings.exe, args: [...common, "--verify"] }));
    job.addTask(finish);
}
