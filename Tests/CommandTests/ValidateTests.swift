import Foundation
import Testing

@Suite struct ValidateTests {
    /// The second row's hardware does not exist.
    static let table = """
        id,hardware,gpus,gpus_per_node,layers,hidden,heads,ffn,vocab,sequence,global_batch,micro_batch,tensor,framework,step_time_s,completeness
        good,a100-sxm-80gb,8,8,24,2048,16,8192,51200,2048,32,4,1,megatron-lm,2.5,A
        strange,abacus,8,8,24,2048,16,8192,51200,2048,32,4,1,megatron-lm,2.5,B
        cut,a100-sxm-80gb,8,8,24,2048,16,8192,51200,2048,32,4,3,megatron-lm,2.5,B
        """

    @Test func everyRowIsListed() throws {
        let folder = try Folder()
        let file = try folder.write(Self.table, as: "runs.csv")
        let outcome = try Program.run("validate", file, "--json", "--jobs", "1")
        #expect(outcome.status == 0)
        #expect(outcome.errors == "3 rows, 2 of them could not be modelled\n")
        let score = try object(outcome.output)
        let rows = try #require(score["rows"] as? [[String: Any]])
        #expect(rows.map { $0["id"] as? String } == ["good", "strange", "cut"])
        #expect(rows.map { $0["modelled"] as? Bool } == [true, false, false])
        #expect(rows.dropFirst().allSatisfy { ($0["reason"] as? String)?.isEmpty == false })
        let good = try #require(rows.first)
        let predicted = try #require(good["predicted_s"] as? Double)
        let interval = try #require(good["interval90"] as? [Double])
        #expect(abs(try #require(good["error"] as? Double) - (predicted / 2.5 - 1)) < 1e-12)
        // Round the prediction, and as wide as constants that no run has fixed make it.
        #expect(interval[0] < predicted && predicted < interval[1] && interval[1] < 3 * predicted)
        let all = try #require((score["summary"] as? [String: Any])?["all"] as? [String: Any])
        #expect(all["rows"] as? Int == 3)
        #expect(all["failed"] as? Int == 2)
        #expect(try Program.run("validate", file, "--json", "--jobs", "4").output == outcome.output)
    }

    @Test func tableCSVAndPage() throws {
        let folder = try Folder()
        let file = try folder.write(Self.table, as: "runs.csv")
        let text = try Program.run("validate", file, "--report", folder.path("page"), "--quiet")
        #expect(text.status == 0)
        #expect(text.errors.isEmpty)
        #expect(text.output.contains("by hardware"))
        #expect(try String(contentsOfFile: folder.path("page/validation.html"), encoding: .utf8).contains("<html"))
        let lines = try Program.run("validate", file, "--csv").output.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.first?.hasPrefix("id,file,hardware,framework,completeness,modelled,reason,measured_s,predicted_s,error") == true)
    }

    @Test func brokenTableIsBadInput() throws {
        let folder = try Folder()
        let first = Self.table.split(separator: "\n").prefix(2).joined(separator: "\n")
        let file = try folder.write(first.replacing(",2.5,A", with: ",soon,A"), as: "runs.csv")
        let outcome = try Program.run("validate", file)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("\(file):2:"))
        #expect(outcome.errors.contains("step_time_s: \"soon\""))
    }
}

@Suite struct KnowledgeTests {
    @Test(arguments: ["gpus", "links", "nodes", "clusters", "models", "prices"])
    func everyRowOfTheCatalogueHasASource(section: String) throws {
        let outcome = try Program.run("catalogue", section, "--json")
        #expect(outcome.status == 0)
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: String]])
        #expect(rows.count > 5)
        #expect(rows.allSatisfy { $0["source"]?.isEmpty == false })
        let lines = try Program.run("catalogue", section).output.split(separator: "\n")
        #expect(lines.count > rows.count + 1)
    }

    @Test func keysOfScenarios() throws {
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(try Program.run("scenario-keys", "--json").output.utf8)) as? [[String: Any]])
        let keys = rows.compactMap { $0["key"] as? String }
        for key in ["model.preset", "cluster.gpus", "layout.tensor", "training.global_batch", "simulate.seed"] {
            #expect(keys.contains(key))
        }
        #expect(try Program.run("scenario-keys", "layout").output.contains("layout.tensor: "))
        #expect(try Program.run("scenario-keys", "nothing").status == 2)
    }

    @Test func explanationAddsUp() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let explained = try object(try Program.run("explain", file, "--json").output)
        let step = try #require(explained["step_time_s"] as? Double)
        let error = try #require(explained["step_time_error"] as? Double)
        let interval = try #require(explained["interval90"] as? [Double])
        #expect(error > 0 && interval[0] < step && step < interval[1])
        let constants = try #require(explained["constants"] as? [[String: Any]])
        let effects = constants.compactMap { $0["step_time_effect"] as? Double }
        #expect(effects.count == constants.count)
        #expect(zip(effects, effects.dropFirst()).allSatisfy { $0 >= $1 })
        let important = try #require(explained["most_important"] as? [String])
        #expect(important.count == 5)
        #expect(important == constants.prefix(5).compactMap { $0["constant"] as? String })
        // The step it explains is the step that run predicts.
        let result = try object(try Program.run("run", file, "--json").output)
        #expect((result["step"] as? [String: Any])?["time_s"] as? Double == step)
        let text = try Program.run("explain", file)
        #expect(text.status == 0)
        #expect(text.output.contains("What matters most"))
    }
}
