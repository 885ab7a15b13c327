import Foundation
import Testing

@Suite struct SearchCommandTests {
    @Test func searchAnswersInAllForms() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let document = try object(Program.run("search", file, "--json", "--exhaustive", "0").output)
        let ranked = try #require(document["ranked"] as? [[String: Any]])
        #expect(ranked.count == 10)
        for key in ["space", "bounded", "simulated", "seconds", "objective", "exhaustive_gap", "best"] { #expect(document[key] != nil) }
        for key in ["layout", "training", "step", "memory", "bill"] { #expect(ranked[0][key] != nil) }
        let values = ranked.compactMap { $0["value"] as? Double }
        #expect(values.count == 10)
        #expect(values == values.sorted())
        let own = try #require(document["own"] as? [String: Any])
        let step = try #require((own["step"] as? [String: Any])?["time_s"] as? Double)
        #expect(values[0] <= step, "the file's own layout is in the space")
        let text = try Program.run("search", file, "--exhaustive", "0")
        #expect(text.status == 0)
        #expect(text.output.contains("\nown  "))
        #expect(text.output.contains("no layout of the space is better"))
    }

    /// 3.6 billion parameters need 87 GB of an A100's 80 under Megatron-DeepSpeed without ZeRO (OpenSettingsTests). The table leaves ZeRO open, so the
    /// run is taken to have sharded its optimizer, here as by `validate`; a table that states zero 0 is believed, and the row does not fit.
    @Test func aMeasuredRunIsSearchedAsItIsValidated() throws {
        let folder = try Folder()
        let header =
            "id,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,vocab,sequence,global_batch,micro_batch,tensor,pipeline,data,zero,recompute,precision,framework,step_time_s"
        func row(_ id: String, zero: String) -> String {
            "\(id),a100-sxm-80gb,64,8,ib-hdr-200g-x4,30,3072,32,51200,2048,512,4,1,1,64,\(zero),full,fp16,megatron-deepspeed,3.6"
        }
        let open = try folder.write([header, row("open", zero: ""), row("twin", zero: "")].joined(separator: "\n"), as: "open.csv")
        let found = try Program.run("search", open, "--exhaustive", "0", "--time-budget", "3", "--quiet")
        #expect(found.status == 0, "\(found.output) \(found.errors)")
        #expect(found.output.contains("1 published layouts of 1 jobs") && found.output.contains("which 2 rows of the tables share"))
        #expect(found.output.contains("it is predicted to fit: 1 of 1"))
        #expect(found.output.contains("mb4 z1 recompute full"))
        let validated = try Program.run("validate", open, "--csv", "--quiet").output.split(separator: "\n")
        #expect(validated.count == 3 && validated[1].contains(",true,"), "\(validated)")
        let stated = try folder.write([header, row("stated", zero: "0")].joined(separator: "\n"), as: "stated.csv")
        let unfit = try Program.run("search", stated, "--exhaustive", "0", "--time-budget", "3", "--quiet")
        #expect(unfit.status == 1 && unfit.output.contains("it is predicted to fit: 0 of 1"))
        let objective = try Program.run("search", open, "--objective", "cost")
        #expect(objective.status == 2 && objective.errors.contains("tables of measured runs are searched for time"))
    }

    @Test func nothingFits() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let outcome = try Program.run("search", file, "--memory", "0.5")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("legal layouts fits"))
    }

    /// Three GPUs cannot share eight: the layout is told and left out, and the search goes on. A fault elsewhere still stops it.
    @Test func anIllegalLayoutIsReplaced() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded.replacing("{zero: 3}", with: "{tensor: 3}"), as: "job.yaml")
        let outcome = try Program.run("search", file, "--json", "--exhaustive", "0")
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("the file's own layout cannot run and is left out: layout.tensor"))
        let document = try object(outcome.output)
        #expect(document["own"] is NSNull)
        #expect((document["ranked"] as? [Any])?.count == 10)
        #expect(try Program.run("run", file).status == 2)
        let typo = try folder.write(Files.sharded.replacing("{zero: 3}", with: "{tensr: 3}"), as: "typo.yaml")
        #expect(try Program.run("search", typo).status == 2)
        let precision = try Program.run("search", file, "--set", "training.precision=nvfp4")
        #expect(precision.status == 2)
        #expect(precision.errors.contains("training.precision"))
    }

    @Test func recomputationCanBeChosen() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        func kinds(_ arguments: String...) throws -> Set<String> {
            let document = try object(Program.run(["search", file, "--json", "--exhaustive", "0", "--recompute"] + arguments).output)
            let ranked = try #require(document["ranked"] as? [[String: Any]])
            return Set(ranked.compactMap { ($0["training"] as? [String: Any])?["recompute"] as? String })
        }
        // The file's own layout recomputes nothing and is in the list as well.
        #expect(try kinds("full").isSubset(of: ["full", "none"]))
        #expect(try kinds("norms+activation", "full").isSubset(of: ["norms, activation", "full", "none"]))
    }

    @Test(arguments: [
        ["--objective", "speed"], ["--schedules", "auto"], ["--schedules", "dualpip"], ["--memory", "0"], ["--time-budget", "-1"],
        ["--recompute", "norm"], ["--recompute", "norms+"], ["--set", "cluster.gpus=0"],
    ])
    func searchRefuses(arguments: [String]) throws {
        try expectRefusal("search", arguments)
    }

    @Test func sweepGoesThroughProducts() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let arguments = ["sweep", file, "--vary", "training.micro_batch=1,2", "layout.zero=2,3,7", "--json"]
        let document = try object(Program.run(arguments).output)
        #expect(document["axes"] as? [String: [String]] == ["training.micro_batch": ["1", "2"], "layout.zero": ["2", "3", "7"]])
        let runs = try #require(document["runs"] as? [[String: Any]])
        #expect(runs.compactMap { ($0["point"] as? [String: String])?["layout.zero"] } == ["2", "3", "7", "2", "3", "7"])
        // ZeRO has no stage 7: told, not dropped.
        #expect(runs.map { $0["result"] is NSNull } == [false, false, true, false, false, true])
        #expect((runs[2]["reason"] as? String)?.hasPrefix("layout.zero") == true)
        let csv = try Program.run("sweep", file, "--vary", "training.micro_batch=1,2", "--csv").output
        #expect(csv.split(separator: "\n").count == 3)
    }

    /// Strong scaling keeps the batch, weak scaling the batch a GPU; the first run is the measure.
    @Test(arguments: ["strong", "weak"])
    func scaling(kind: String) throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let document = try object(
            Program.run("sweep", file, "--scaling", kind, "--vary", "cluster.gpus=8,16", "--set", "training.global_batch=64", "--json")
                .output)
        let runs = try #require(document["runs"] as? [[String: Any]])
        #expect(runs.count == 2)
        #expect(runs[0]["speedup"] as? Double == 1)
        let speedup = try #require(runs[1]["speedup"] as? Double)
        #expect(speedup > 1 && speedup <= 2.1)
        let point = try #require(runs[1]["point"] as? [String: String])
        #expect(point["training.global_batch"] == (kind == "weak" ? "128" : nil))
    }

    @Test(arguments: [["--vary", "layout.tensor"], ["--vary", "layout.tensor=1,,2"], ["--vary", "foo=1,2"], []])
    func sweepRefuses(arguments: [String]) throws {
        try expectRefusal("sweep", arguments)
    }
}
