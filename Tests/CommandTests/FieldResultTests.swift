import Foundation
import Testing

/// Small inputs on which users first stumbled, each with its right answer. They live in ../shared/cases (or $ORRERY_SHARED/cases).
enum FieldCase {
    static let root =
        (ProcessInfo.processInfo.environment["ORRERY_SHARED"]
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("shared").path) + "/cases"
    static var areHere: Bool { FileManager.default.fileExists(atPath: root + "/field") }
    static func path(_ name: String) -> String { "\(root)/\(name)" }

    /// The result of `orrery run`, whether the job fits or not.
    static func result(_ name: String, _ settings: String...) throws -> [String: Any] {
        let outcome = try Program.run(["run", path(name), "--json"] + settings.flatMap { ["--set", $0] })
        #expect(outcome.status < 2, "\(name): \(outcome.errors)")
        return try object(outcome.output)
    }

    static func seconds(_ result: [String: Any]) throws -> Double {
        let time = try #require((result["step"] as? [String: Any])?["time_s"])
        return try #require(time as? Double ?? (time as? [String: Any])?["mean"] as? Double)
    }

    static func peak(_ result: [String: Any]) throws -> Double {
        try #require((result["memory"] as? [String: Any])?["peak_bytes"] as? Double)
    }
}

@Suite(.enabled(if: FieldCase.areHere, "needs ../shared/cases (or ORRERY_SHARED)")) struct FieldResultTests {
    /// Two GPUs in two machines: each receives 13.5 GB of parameters and 13.5 GB of gradients through 1.25 GB/s, 21 s at least; none crosses NVLink.
    @Test func oneGPUANodeTalksOverTheNetwork() throws {
        let result = try FieldCase.result("field/one-gpu-per-node.yaml")
        #expect(try FieldCase.seconds(result) > 21)
        let traffic = try #require(result["traffic_bytes"] as? [String: Any])
        #expect(traffic["nvlink"] as? Double == 0)
        #expect(abs((traffic["network"] as? Double ?? 0) / 26.95e9 - 1) < 0.01)
        let outcome = try Program.run(
            "collective", "--cluster", FieldCase.path("field/one-gpu-per-node-cluster.yaml"), "--op", "all_reduce", "--ranks", "2",
            "--from",
            "1250M", "--to", "1250M", "--json")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        // 1.25 GB out and in at 1.25 GB/s: a second, and no bus faster than the port.
        #expect((rows[0]["busbw"] as? Double ?? .infinity) <= 1.25)
    }

    /// Current releases of Megatron-LM have fused attention: 19.6 s, not the 30 s of unfused attention, and a remark on what was assumed.
    @Test func megatronOnA100HasFusedAttention() throws {
        let result = try FieldCase.result("field/megatron-a100.yaml")
        let stated = try FieldCase.result("field/megatron-a100.yaml", "software.flash_attention=true")
        #expect(try FieldCase.seconds(result) == FieldCase.seconds(stated))
        let warnings = try #require(result["warnings"] as? [String])
        #expect(warnings.contains { $0.contains("software.flash_attention is not given") && $0.contains("times as long") }, "\(warnings)")
        #expect((stated["warnings"] as? [String])?.contains { $0.contains("flash_attention is not given") } == false)
    }
}
