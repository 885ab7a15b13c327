import Kernels
import Scenario

/// Cores that workers can be given.
var usableCores: Int { max(1, CPUBackend.usableCores) }

extension ExecutionSpec {
    /// "GPT of 4 layers, width 256; 2 replicas x 1 stage, 4 micro-batches of 2 (1f1b); adamw".
    public var title: String {
        let what =
            switch model {
            case .mlp(let sizes): "perceptron \(sizes.map(String.init).joined(separator: "-"))"
            case .cnn(let side, _, let channels, _): "CNN of \(side) x \(side) pixels, channels \(channels[0]) and \(channels[1])"
            case .gpt(let layers, let hidden, _, let vocabulary, let length):
                "GPT of \(layers) layers, width \(hidden), \(length) tokens of \(vocabulary)"
            }
        var parts = ["\(what)", "\(data) replica\(data == 1 ? "" : "s") x \(pipeline) stage\(pipeline == 1 ? "" : "s")"]
        parts.append(
            "\(microBatches) micro-batch\(microBatches == 1 ? "" : "es") of \(samples)\(pipeline > 1 ? " (\(schedule.rawValue))" : "")")
        if data > 1 { parts.append(codec.map { "gradients as \($0.compression.name)" } ?? "plain all-reduce") }
        if transport == .socket, workers > 1 { parts.append("over sockets") }
        if let straggler { parts.append("worker \(straggler.worker) slower by \(fixed(straggler.slowdown, 2))") }
        return parts.joined(separator: ", ") + ", \(optimizer.rawValue)"
    }
}
