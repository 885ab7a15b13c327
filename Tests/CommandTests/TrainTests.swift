import Foundation
import Testing

@Suite("orrery train", .serialized) struct TrainTests {
    /// Eight identical exponential workers: mean staleness 7, variance 1.693 times A1's 0.05263 (Mitliagkas et al. 2016).
    private let asynchronous = """
        name: asynchronous
        training: {synchronization: {kind: async}}
        cosim:
          task: {kind: noisy-quadratic, curvature: [1.0], noise: 1.0, start: 0.0}
          workers: 8
          batch: 1
          optimizer: {kind: sgd, momentum: 0}
          rate: 0.1
          steps: 20000
          seeds: 4
          service: {distribution: exponential, mean: 1 s}
        """
    /// A job of 32 GPUs whose replicas meet every eight steps.
    private let target = """
        name: target
        model: {preset: llama3-8b}
        cluster: {gpu: h100-sxm-80gb, gpus: 32, inter_node: {link: ib-ndr-400g, nics_per_node: 8}}
        layout: {tensor: 8, sequence_parallel: true}
        training:
          global_batch: 32
          micro_batch: 1
          sequence: 4096
          steps: 1000
          synchronization: {kind: local, steps: 8}
          compression: {topk: 10%, values: e4m3}
        prices: {preset: h100-market}
        cosim:
          task: {kind: teacher-student, inputs: 8, hidden: [8], classes: 4}
          model: {kind: mlp, hidden_layers: [8]}
          batch: 4
          optimizer: adam
          rate: 0.01
          steps: 40
          seeds: 2
        """

    private func cosim(_ outcome: Program.Outcome) throws -> [String: Any] {
        let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        return try #require(json["cosim"] as? [String: Any])
    }

    @Test func closedFormsThroughTheCommand() throws {
        let folder = try Folder()
        let outcome = try Program.run(
            "train", try folder.write(asynchronous, as: "a.yaml"), "--json", "--quiet", "--report", folder.path("out"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let result = try cosim(outcome)
        let staleness = try #require((result["staleness"] as? [String: Any])?["mean"] as? Double)
        #expect(abs(staleness - 7) < 0.01)
        let moment = try #require(result["parameter_second_moment"] as? Double)
        #expect(abs(moment / (1.6931 * 0.1 / 1.9) - 1) < 0.1)
        let elapsed = try #require(result["elapsed_s"] as? Double)
        #expect(abs(elapsed / (20_000 / 8) - 1) < 0.05)
        #expect(try #require(result["utilization"] as? Double) > 0.98)
        let page = try String(contentsOfFile: folder.path("out/train.html"), encoding: .utf8)
        #expect(page.contains("Loss over simulated seconds") && page.contains("samples factor"))
    }

    @Test func aTargetJobSuppliesClockAndPrice() throws {
        let folder = try Folder()
        let file = try folder.write(target, as: "t.yaml")
        let outcome = try Program.run("train", file, "--json", "--quiet", "--project")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let result = try cosim(outcome)
        let gradient = try #require(result["gradient_s"] as? Double)
        let elapsed = try #require(result["elapsed_s"] as? Double)
        #expect(gradient > 0.01 && elapsed >= 40 * gradient)
        #expect(try #require(result["updates"] as? Double) == 5)
        // A tenth of the positions, in 8 bits with theirs, every eighth step.
        #expect(try #require(result["bytes_ratio"] as? Double) > 8 * 4)
        let curves = try #require(result["curves"] as? [[String: Any]])
        #expect(try #require(curves.last?["usd"] as? Double) > 0)
        #expect(try #require(curves.last?["joules"] as? Double) > 0)
        let projection = try #require((try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])?["projection"])
        let synchronous = try #require((projection as? [String: Any])?["synchronous"] as? [String: Any])
        #expect(try #require(synchronous["days"] as? Double) > 0)
        let text = try Program.run("train", file, "--quiet")
        #expect(text.output.contains("8 local steps") && text.output.contains("nothing here predicts a large model's loss"))
        let table = try Program.run("train", file, "--quiet", "--csv")
        #expect(table.output.hasPrefix("scenario,update,step,tokens,time_s"))
        // The step of run is the synchronous one, and says so.
        let step = try Program.run("run", file, "--json")
        #expect(step.status == 0 && step.output.contains("followed by orrery train"))
    }

    /// Killed in the middle, the same command ends on the same bytes.
    @Test func aKilledRunGoesOn() throws {
        let folder = try Folder()
        let long = asynchronous.replacing("steps: 20000", with: "steps: 60000")
        let file = try folder.write(long, as: "a.yaml")
        let whole = try Program.run("train", file, "--json", "--quiet")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.path)
        process.arguments = ["train", file, "--json", "--quiet", "--checkpoint", folder.path("states")]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        for _ in 0..<1000 where !FileManager.default.fileExists(atPath: folder.path("states")) { usleep(5000) }
        usleep(300_000)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let rest = try Program.run("train", file, "--json", "--quiet", "--checkpoint", folder.path("states"))
        #expect(rest.status == 0)
        #expect(rest.output == whole.output)
    }

    @Test func badInputIsToldAtItsPlace() throws {
        let folder = try Folder()
        func refused(_ settings: String..., says: String...) throws {
            let file = try folder.write(asynchronous, as: "a.yaml")
            let outcome = try Program.run(["train", file, "--quiet"] + settings.flatMap { ["--set", $0] })
            #expect(outcome.status == 2, "\(settings): \(outcome.output)")
            for word in says { #expect(outcome.errors.contains(word), "\(settings): \(outcome.errors)") }
        }
        try refused("cosim.workers=0", says: "cosim.workers", "1 to")
        try refused("training.synchronization={kind: async, staleness: -1}", says: "training.synchronization.staleness")
        try refused("training.synchronization={kind: local}", says: "steps", "missing")
        try refused("training.synchronization={kind: sync, staleness: 3}", says: "staleness means nothing", "kind: async")
        try refused("training.synchronization={kind: sync, backup: 8}", says: "training.synchronization.backup")
        try refused("cosim.target_loss=0", says: "cosim.target_loss", "above 0")
        try refused("cosim.task.kind=quadratic", says: "cosim.task.kind")
        try refused("cosim.service=target", says: "cosim.service", "no target")
        try refused("cosim.task.curvature=[]", says: "curvature")
        try refused("cosim.workres=3", says: "did you mean")
        try refused(
            "cosim.task={kind: markov-lm, vocabulary: 8}", "cosim.target_loss=0.01", says: "cosim.target_loss", "entropy")
        try refused(
            "cosim.task={kind: markov-lm, vocabulary: 8}", "cosim.model={kind: gpt, layers: 64, hidden: 4096, heads: 8}",
            "cosim.workers=5000",
            says: "cosim.model", "GB")
        let none = try Program.run("train", try folder.write("name: x\n", as: "x.yaml"))
        #expect(none.status == 2 && none.errors.contains("cosim"))
        // Divergence is a result.
        let file = try folder.write(asynchronous, as: "a.yaml")
        let wild = try Program.run("train", file, "--json", "--quiet", "--set", "cosim.rate=5", "--set", "cosim.steps=100000000")
        #expect(wild.status == 1)
        #expect(try cosim(wild)["diverged"] as? Int == 4)
    }
}
