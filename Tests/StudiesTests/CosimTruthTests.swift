import CoSimulation
import Foundation
import Quantities
import Scenario
import Studies
import Testing

/// Times and bytes under the clock of a target job beside published and measured ones.
@Suite struct CosimTruthTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let measured =
        (ProcessInfo.processInfo.environment["ORRERY_SHARED"] ?? root.path + "/../shared") + "/truth2/diloco_measured_l40s.csv"

    static func answers(_ name: String, _ overrides: [String] = []) throws -> [TrainAnswer] {
        let study = try Study.shipped(jobs: 1)
        return try CosimRequest.loadAll(path: root.appending(path: "scenarios/cosim/\(name).yaml").path, overrides: overrides)
            .map { try study.train($0) }
    }

    /// Table 1 of arXiv:2501.18512: 400 times fewer bytes, 109 against 0.88 hours.
    @Test func streamingDiLoCo() throws {
        let answers = try Self.answers("streaming-diloco", ["cosim.steps=400"])
        let (plain, local) = (answers[0].result, answers[1].result)
        #expect(abs(try #require(local.bytesRatio) / 400 - 1) < 0.15)
        let hours = plain.seconds / 400 * (25e9 / 1_048_576) / 3600
        #expect(abs(hours / 109 - 1) < 0.15, "\(hours)")
        #expect(abs(plain.seconds / local.seconds / 124 - 1) < 0.15, "\(plain.seconds / local.seconds)")
    }

    /// 30.8 M parameters on four machines of one L40S, every row of local steps whose meetings were measured more than once: a meeting within 6 %, a
    /// step within 6 % in the median and 9 % at worst.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: measured), "needs ../shared/truth2/diloco_measured_l40s.csv"))
    func measuredDiLoCo() throws {
        let records = CSVRecords.split(try String(contentsOfFile: Self.measured, encoding: .utf8)) { _, _, _, _ in }
        let names = try #require(records.first).fields
        var predicted: [String: [Int: (step: Double, meeting: Double)]] = [:]
        for link in ["1", "5"] {
            let bandwidth = link == "1" ? "0.99266" : "4.9636"
            for answer in try Self.answers("diloco-30m", ["cluster.inter_node.bandwidth=\(bandwidth) Gb/s"]) {
                guard case .local(.steps(let period), _, _) = answer.request.spec.method else { continue }
                predicted[link, default: [:]][period] = (answer.result.seconds / 128, answer.exchangeSeconds)
            }
        }
        var errors: [Double] = []
        for record in records.dropFirst() {
            let row = Dictionary(zip(names, record.fields)) { first, _ in first }
            guard ["diloco", "localsgd"].contains(row["algorithm"]), let period = Int(row["inner_steps"] ?? ""), period < 128 else {
                continue
            }
            let own = try #require(predicted[row["link_gbit_s"] ?? ""]?[period])
            let (step, meeting) = (try #require(Double(row["step_time_s"] ?? "")), try #require(Double(row["sync_s"] ?? "")))
            #expect(abs(own.meeting / meeting - 1) < 0.06 || period == 32, "\(row["id"] ?? ""): \(own.meeting) for \(meeting)")
            errors.append(abs(own.step / step - 1))
        }
        errors.sort()
        #expect(errors.count >= 20)
        #expect(errors[errors.count / 2] < 0.06 && errors[errors.count - 1] < 0.09, "\(errors)")
    }
}

/// Claims whose answer needs no training: each header in scenarios holds the figures that are computed here.
@Suite struct CosimClaimTests {
    private func says(_ file: String, _ figures: [String]) throws {
        let text = try String(contentsOf: CosimTruthTests.root.appending(path: "scenarios/\(file).yaml"), encoding: .utf8)
        let header = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.map { $0.dropFirst(2) }.joined(separator: " ")
        for figure in figures { #expect(header.contains(figure), "\(file).yaml should say \(figure)") }
    }
    private func runs(_ name: String) throws -> [RunAnswer] {
        let path = CosimTruthTests.root.appending(path: "scenarios/claims/\(name).yaml").path
        let study = try Study.shipped(jobs: 1)
        return try Scenario.expand(path: path).map { try study.run($0.scenario) }
    }
    private func rounded(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

    /// C01: where sparse messages are shorter to gather than whole gradients are to sum.
    @Test func topKPaysOnFewReplicas() throws {
        func steps(_ gpus: Int) throws -> [(step: Double, answer: TrainAnswer)] {
            let settings = [
                "cluster.gpus=\(gpus)", "training.global_batch=\(gpus)", "cosim.steps=1", "cosim.seeds=1", "cosim.rate=0.01",
                "cosim.workers=auto",
            ]
            return try CosimTruthTests.answers("c01-compression", settings).map { ($0.result.seconds, $0) }
        }
        let all = try steps(128)
        #expect(all[2].step > all[0].step)
        let (few, some, many) = (try steps(8), try steps(32), try steps(64))
        #expect(some[2].step < some[0].step && many[2].step > many[0].step)
        #expect(few[1].step < few[0].step && some[1].step > some[0].step)
        try says(
            "cosim/c01-compression",
            [
                "take \(rounded(1000 * all[0].answer.exchangeSeconds, 0)) ms",
                "this one takes \(rounded(1000 * all[0].answer.gradientSeconds, 0))",
                "\(rounded(some[0].step / some[2].step, 2)) times; \(rounded(few[0].step / few[2].step, 2)) on 8",
            ])
        // (t + 120) / (t + 35) = 2.8
        let compute: Double = (120 - 2.8 * 35) / 1.8
        #expect(abs(compute - 12.2) < 0.1)
    }

    /// C05: products of the claim's own figures.
    @Test func iterationsTimesStepIsNotTheTotal() throws {
        let hours: [Double] = [120_000 * 0.120 / 3600, 85_000 * 0.095 / 3600]
        #expect(abs(14.4 / hours[0] - 3.6) < 0.02)
        #expect(abs(8.1 / hours[1] - 3.6) < 0.02)
        let runs = try runs("c05-iterations")
        let ratio = runs[0].run.wallClockS / runs[1].run.wallClockS
        let update = (runs[0].result.breakdownS[.optimizer] ?? 0) / runs[0].result.step.timeS.mean
        try says(
            "claims/c05-iterations",
            [
                "\(rounded(hours[0], 1)) hours", "\(rounded(hours[1], 2))", rounded(hours[0] / hours[1], 2),
                "less than \(rounded(ratio, 2)) times",
                "\(rounded(100 * update, 1))% of this step",
            ])
    }

    /// C36: what three times the loading leaves of 18 % idle time.
    @Test func loadingBehindComputing() throws {
        let idle = try runs("c36-data-pipeline").map { ($0.result.breakdownS[.inputStall] ?? 0) / $0.result.step.timeS.mean }
        #expect(abs(idle[0] - 0.18) < 0.002 && abs(idle[2] - 0.18) < 0.002)
        #expect(idle[1] == 0)
        // Loading L beside computing C: read ahead L = C / 0.82; else L = C 0.18 / 0.82, and 5 % needs C 0.05 / 0.95.
        try says(
            "claims/c36-data-pipeline",
            ["\(rounded(100 * idle[3], 1))%", "\(rounded(1 / 0.82, 2)) times", "\(rounded(0.18 / 0.82 / (0.05 / 0.95), 1)) times"])
    }

    /// C41: the step with full attention over that with sparse attention, at 2K, 16K and 128K tokens.
    @Test func sparseAttentionAtLength() throws {
        let runs = try runs("c41-sparse-attention")
        let steps = runs.map(\.result.step.timeS.mean)
        let forward = runs.map { $0.result.breakdownS[.forward] ?? 0 }
        for pair in [0, 2, 4] { #expect(forward[pair] < forward[pair + 1]) }
        #expect(steps[0] < steps[1] && steps[2] > steps[3])
        try says("claims/c41-sparse-attention", [0, 2, 4].map { "\(rounded(steps[$0] / steps[$0 + 1], 2)) times" })
    }
}
