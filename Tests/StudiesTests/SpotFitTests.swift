import Foundation
import Lifetime
import Scenario
import Studies
import Testing

@Suite("Spot markets fitted to traces")
struct SpotFitTests {
    private static let folder: String = {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return (ProcessInfo.processInfo.environment["ORRERY_SHARED"] ?? root.appending(path: "../shared").path) + "/weeks/traces"
    }()

    /// Share of the time with nodes in which an elastic run trains; 52 s go by at every change, and no work is lost.
    private func goodput(_ key: String, _ path: String, nodes: Int, hours: Double) throws -> Double {
        let yaml = """
            model: {preset: llama3-8b}
            cluster: {gpu: h100-sxm-80gb, gpus: \(nodes * 8), inter_node: {link: ib-ndr-400g, nics_per_node: 8}}
            layout: {tensor: 2, zero: 1}
            training: {global_batch: \(nodes * 16), micro_batch: 1, sequence: 8192, recompute: selective, duration: \(hours) h}
            conditions:
              checkpoint: {lost_work: false}
              spot: {\(key): \(Self.folder)/\(path)}
              elastic: {resize: 52 s}
            """
        var scenario = try Scenario.load(yaml: yaml, file: "spot.yaml")
        scenario.settings.timeline = false
        scenario.runSamples = 40
        let outcome = try #require(try Study.shipped().run(scenario).outcome)
        let lost = Dictionary(uniqueKeysWithValues: outcome.lostS.map { ($0.name, $0.seconds.mean) })
        return 1 - (lost["resizing"] ?? 0) / (outcome.wallClockS.mean - (lost["waiting"] ?? 0))
    }

    @Test(
        "The elastic goodput of a fitted market is that of its trace within 5 %",
        .enabled(if: FileManager.default.fileExists(atPath: folder), "shared/weeks/traces is not there"),
        arguments: [
            ("parcae/p3.csv", 32, 11.38), ("bamboo/g4dn-trace.csv", 24, 10.7), ("bamboo/a100x1-east1b.txt", 64, 27.0),
            ("skypilot/16-node-us-east-2b-v100.json", 16, 270.0), ("skypilot/4-node-us-east-1f-v100.json", 4, 305.0),
            ("skypilot/4-node-us-east-2a-v100.json", 4, 427.0), ("skypilot/4-node-us-west-2c-v100.json", 4, 427.0),
        ] as [(String, Int, Double)])
    func fitted(path: String, nodes: Int, hours: Double) throws {
        let (replayed, fitted) = (
            try goodput("trace", path, nodes: nodes, hours: hours), try goodput("fit", path, nodes: nodes, hours: hours)
        )
        print(path, replayed, fitted, fitted / replayed - 1)
        #expect(abs(fitted / replayed - 1) < 0.05)
        #expect(replayed > 0.75 && replayed < 1)
    }
}
