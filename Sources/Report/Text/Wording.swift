import Calibration
import Plan
import Quantities
import Simulation
import Studies
import Workload

/// 16384 as "16,384".
func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
        groups.insert(String(digits.suffix(3)), at: 0)
        digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// A dash where there is no finite value; otherwise `body`.
func finite(_ value: Double, _ body: (Double) -> String) -> String { value.isFinite ? body(value) : "–" }

/// Seconds with the unit that suits them.
func time(_ seconds: Double) -> String {
    finite(seconds) { seconds in
        let scales = [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"), (60, "min"), (3600, "h"), (86400, "days")]
        // Steps are compared in seconds, so minutes begin late.
        let size = abs(seconds)
        let scale =
            size == 0 ? scales[3] : scales.last { size >= ($0.0 == 60 ? 600 : $0.0 == 3600 ? 7200 : $0.0 == 86400 ? 172_800 : $0.0) }
        return significant(seconds / (scale ?? scales[0]).0) + " " + (scale ?? scales[0]).1
    }
}

func gigabytes(_ bytes: Double) -> String { finite(bytes) { fixed($0 / 1e9, decimals: 1) + " GB" } }
/// `value` with `decimals` digits behind the point; a dash where it is no finite number.
public func rounded(_ value: Double, _ decimals: Int) -> String { value.isFinite ? fixed(value, decimals: decimals) : "-" }
func percent(_ share: Double, decimals: Int = 1) -> String { finite(share) { fixed($0 * 100, decimals: decimals) + " %" } }
func signedPercent(_ share: Double) -> String {
    finite(share) { share in
        let digits = fixed(share * 100, decimals: 1)
        return (share > 0 && digits != "0.0" ? "+" : "") + digits + " %"
    }
}

/// 3,476,000 as "3.476 M".
func counted(_ value: Double) -> String {
    finite(value) { value in
        let scale = [(1e15, " P"), (1e12, " T"), (1e9, " B"), (1e6, " M"), (1e4, " k")].first { abs(value) >= $0.0 }
        guard let scale else { return abs(value) >= 1000 ? grouped(Int(value.rounded())) : significant(value) }
        return significant(value / (scale.0 == 1e4 ? 1e3 : scale.0)) + scale.1
    }
}

func dollars(_ value: Double) -> String {
    finite(value) { value in
        if abs(value) >= 1e6 { return significant(value / 1e6) + " M USD" }
        if abs(value) >= 1000 { return grouped(Int(value.rounded())) + " USD" }
        return (abs(value) >= 1 || value == 0 ? fixed(value, decimals: 2) : significant(value, digits: 3)) + " USD"
    }
}

func bytes(_ value: Double) -> String {
    finite(value) { value in
        let scale = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")].first { abs(value) >= $0.0 } ?? (1, "B")
        return significant(value / scale.0) + " " + scale.1
    }
}

extension Job {
    /// "tensor 8 x pipeline 16 x data 128", degrees of 1 left out.
    var degreesInWords: String {
        let degrees = [
            ("tensor", layout.tensor), ("context", layout.context), ("pipeline", layout.pipeline), ("data", data),
            ("expert", layout.expert),
        ].filter { $0.1 > 1 }
        return degrees.isEmpty ? "one GPU" : degrees.map { "\($0.0) \(grouped($0.1))" }.joined(separator: " x ")
    }

    /// Schedule, sharding and recomputation.
    var rulesInWords: String {
        var words: [String] = []
        if layout.pipeline > 1 {
            words.append((layout.order?.name ?? layout.schedule.rawValue) + (layout.virtual > 1 ? " (\(layout.virtual) chunks)" : ""))
        }
        if layout.sequenceParallel { words.append("sequence parallel") }
        if layout.zero > 0 { words.append(layout.zero == 3 ? "ZeRO 3 / FSDP" : "ZeRO \(layout.zero)") }
        switch training.recompute {
        case .none: words.append("no recomputation")
        case .selective: words.append("selective recomputation")
        case .full: words.append("full recomputation")
        case .layers(let count): words.append("recomputes \(count) layers a stage")
        case .modules(let chosen): words.append("recomputes \(chosen.description)")
        case .auto: words.append("recomputes as few layers as fit")
        case .perRank(let counts): words.append("recomputes \(counts.map(String.init).joined(separator: ",")) layers by stage")
        }
        if layout.offload != .none { words.append("\(layout.offload.rawValue) offloaded") }
        return words.joined(separator: ", ")
    }

    var batchInWords: String {
        let samples = "batch \(grouped(training.globalBatch))"
        let tokens = training.sequence > 1 ? " x \(grouped(training.sequence)) tokens" : ""
        return
            "\(samples)\(tokens), micro-batch \(training.microBatch) (\(grouped(microBatches)) a step), \(precision.compute.rawValue), "
            + training.optimizer.rawValue + trainedInWords
    }

    /// What trains, where it is not the whole model, and the passes beside.
    private var trainedInWords: String {
        var words = ""
        if let adapters = training.adapters {
            let base = adapters.base == .bf16 ? "" : " over \(adapters.base.rawValue)"
            words += ", LoRA of rank \(adapters.rank)\(base)"
        }
        if training.adapters != nil || !training.frozen.isEmpty {
            words +=
                " (\(significant(trainedParameters * 1e-6)) M of \(significant(Double(model.parameters.trained) * 1e-6)) M parameters train)"
        }
        let passes = training.passes
        if passes.reference > 0 { words += ", \(passes.reference) reference \(passes.reference == 1 ? "pass" : "passes")" }
        if passes.policy > 0 { words += ", \(passes.policy) more forward \(passes.policy == 1 ? "pass" : "passes")" }
        return words
    }

    var machinesInWords: String {
        "\(grouped(cluster.gpus)) x \(cluster.accelerator.name), \(grouped(cluster.nodes)) \(cluster.nodes == 1 ? "node" : "nodes") of \(cluster.gpusPerNode)"
    }

    var networkInWords: String {
        guard let network = cluster.interNode else { return cluster.intraNode.name }
        return "\(cluster.intraNode.name) inside, \(network.nicsPerNode) x \(network.link.name) between nodes"
    }
}

extension Activity {
    /// What people call it.
    var title: String {
        switch self {
        case .forward: "forward"
        case .backward: "backward"
        case .recompute: "recomputation"
        case .optimizer: "optimizer"
        case .tensorComm: "tensor-parallel comm"
        case .sequenceComm: "sequence-parallel comm"
        case .contextComm: "context-parallel comm"
        case .expertComm: "expert all-to-all"
        case .pipelineComm: "pipeline send/receive"
        case .dataComm: "data-parallel comm"
        case .offloadComm: "host transfers"
        case .bubble: "pipeline bubble"
        case .stragglerWait: "waiting for stragglers"
        case .inputStall: "input stall"
        case .launch: "kernel launch"
        case .other: "other"
        }
    }
}

/// `text` without control characters, so that a name cannot move the cursor or colour the terminal.
func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "\u{FFFD}" : $0 }))
}

extension RunAnswer {
    /// Whether runs on the job's device are behind the constants.
    var isMeasuredHardware: Bool { (try? ProfileTable.shared.get().knows(job.cluster.accelerator)) ?? false }

    /// The error that the step time is expected to have; none is stated for a device on which no run was measured.
    var expectedError: String {
        isMeasuredHardware
            ? "± \(percent(result.evidence.stepTimeError, decimals: 0)) expected" : "error not known: no measured run on this GPU"
    }
}
