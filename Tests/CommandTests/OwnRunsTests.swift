import Foundation
import Testing

/// A user's own measured runs, by `--runs` and by `software.runs`, and what to measure next.
@Suite struct OwnRunsTests {
    private static let header =
        "id,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,ffn,activation,vocab,sequence,global_batch,micro_batch,tensor,"
        + "pipeline,zero,recompute,precision,framework,step_time_s\n"
    private static func row(_ id: String, micro: Int, seconds: Double) -> String {
        "\(id),h100-sxm-80gb,8,8,none,16,2048,32,8192,swiglu,32000,2048,\(8 * micro * 4),\(micro),1,1,1,none,bf16,homemade,\(seconds)\n"
    }
    private static let job = """
        name: own
        model: {layers: 16, hidden: 2048, heads: 32, ffn: 8192, vocab: 32000, activation: swiglu, tied_embeddings: false}
        cluster: {gpu: h100-sxm-80gb, gpus: 8, gpus_per_node: 8}
        layout: {zero: 1}
        training: {global_batch: 128, micro_batch: 4, sequence: 2048, precision: bf16}
        software: {framework: homemade}
        """

    private func seconds(_ outcome: Program.Outcome) throws -> Double {
        let step = try #require(try object(outcome.output)["step"] as? [String: Any])
        return try #require(step["time_s"] as? Double)
    }

    @Test func aRunOfOnesOwnMovesThePredictionTowardsIt() throws {
        let folder = try Folder()
        let plain = try folder.write(Self.job, as: "plain.yaml")
        let before = try seconds(try Program.run("run", plain, "--json"))
        // A third slower than predicted: an unknown stack takes a good part of that, and not all.
        let table = try folder.write(Self.header + Self.row("mine", micro: 4, seconds: 1.3 * before), as: "mine.csv")
        let keyed = try folder.write(
            Self.job.replacing("framework: homemade", with: "framework: homemade, runs: mine.csv"), as: "keyed.yaml")
        let option = try Program.run("run", plain, "--json", "--runs", table)
        let key = try Program.run("run", keyed, "--json")
        #expect(option.status == 0 && key.status == 0, "\(key.errors)")
        let after = try seconds(key)
        #expect(after > 1.08 * before && after < 1.3 * before)
        #expect(try seconds(option) == after)
        let anchored = try #require(try object(key.output)["anchored"] as? [String: Any])
        #expect(anchored["rows"] as? Int == 1)
        #expect((anchored["silent"] as? [String])?.contains("pipelines") == true)
        let explained = try Program.run("explain", keyed)
        #expect(explained.output.contains("What your own runs changed (1 used)"), "\(explained.errors)")
        #expect(explained.output.contains("they say nothing about tensor groups"))
        let compared = try Program.run("compare", plain, keyed)
        #expect(compared.status == 0, "\(compared.errors)")
    }

    @Test func badRunsSayWhere() throws {
        let folder = try Folder()
        _ = try folder.write(Self.header + "a,none-such,8\n", as: "mine.csv")
        let keyed = try folder.write(
            Self.job.replacing("framework: homemade", with: "framework: homemade, runs: mine.csv"), as: "keyed.yaml")
        let outcome = try Program.run("run", keyed)
        #expect(outcome.status == 2 && !outcome.crashed && outcome.errors.contains("software.runs"), "\(outcome.errors)")
        _ = try folder.write(
            Self.header + Self.row("mine", micro: 4, seconds: 1).replacing("h100-sxm-80gb", with: "none-such"), as: "mine.csv")
        let strange = try Program.run("run", keyed)
        #expect(strange.status == 2 && strange.errors.contains("none-such"), "\(strange.errors)")
        let missing = try folder.write(
            Self.job.replacing("framework: homemade", with: "framework: homemade, runs: no.csv"), as: "missing.yaml")
        #expect(try Program.run("run", missing).status == 2)
    }

    @Test func thePlanNamesRunsThatNarrowTheJobs() throws {
        let folder = try Folder()
        let plain = try folder.write(Self.job, as: "plain.yaml")
        let outcome = try Program.run("calibrate", "plan", plain, "--count", "2", "--nodes", "1", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let answer = try object(outcome.output)
        #expect((answer["runs"] as? [Any])?.count == 2)
        let job = try #require((answer["jobs"] as? [[String: Any]])?.first)
        let (wide, narrow) = (try #require(job["error_before"] as? Double), try #require(job["error_after"] as? Double))
        #expect(narrow < 0.8 * wide)
        #expect(try Program.run("calibrate", "plan", plain, "--count", "0").status == 2)
        #expect(try Program.run("calibrate", "plan", folder.path("no.yaml")).status == 2)
    }
}
