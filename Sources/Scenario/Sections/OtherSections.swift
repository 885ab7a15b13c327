import Calibration
import Cost
import Quantities
import Simulation

/// The section `software`: it picks the calibration profile.
enum SoftwareSection {
    private enum GradientFormat: String, CaseIterable { case fp32, bf16, fp16 }

    /// Measurements that a scenario names, and where it does.
    struct Measured {
        let item: Item
        let path: String
        let rows: [Measurement]

        /// The kernels of one device, fitted; nil when a fault was reported.
        func kernels(of device: String, _ reader: inout Reader) -> MeasuredKernels? {
            do throws(CalibrationError) {
                let kernels = try MeasuredKernels(rows, device: device)
                for remark in kernels.remarks { reader.remark("\(path): not used: \(remark)") }
                return kernels
            } catch {
                reader.report(item, "\(path): \(error.message)", "give measurements of \(device), or remove the key")
                return nil
            }
        }
    }
    private struct Draft {
        var stack = SoftwareStack(framework: usualFramework)
        var measured: Measured?
        var runs: [MeasuredRun]?
    }

    static var entries: [SchemaEntry] { section.entries }
    static let usualFramework = "megatron-lm"

    private static var section: Section<Draft> {
        Section(
            stack.fields.map { $0.within(\.stack) } + [
                Field(
                    "measurements", \.measured, measurements, default: "none",
                    "path, relative to this file, of measured kernels of the cluster's GPU (docs/measurements.md); they replace formulas"),
                Field(
                    "runs", \.runs, runs, default: "none",
                    "path, relative to this file, of measured runs of your own (docs/validation.md); they update the constants of that stack, chip and fabric"
                ),
            ])
    }

    private static var runs: Kind<[MeasuredRun]> {
        Kind("path", example: "my_runs.csv") { item, reader in
            guard let full = reader.path(item, example: "my_runs.csv") else { return nil }
            do throws(ScenarioErrors) { return try MeasuredRuns.read(path: full, library: reader.library) } catch {
                for fault in error.errors {
                    reader.report(item, "\(fault.file):\(fault.line):\(fault.column): \(fault.reason)", fault.suggestion)
                }
                return nil
            }
        }
    }

    private static var measurements: Kind<Measured> {
        Kind("path", example: "kernels.csv") { item, reader in
            guard let full = reader.path(item, example: "kernels.csv") else { return nil }
            do throws(MeasurementFault) {
                return Measured(item: item, path: full, rows: try MeasurementFile.read(path: full).measurements)
            } catch {
                for fault in error.faults {
                    let name = fault.name.isEmpty ? "" : "\(fault.name): "
                    reader.report(item, "\(full):\(fault.line):\(fault.column): \(name)\(fault.reason)", fault.suggestion)
                }
                return nil
            }
        }
    }

    private static var stack: Section<SoftwareStack> {
        Section([
            Field("framework", \.framework, .text, default: usualFramework, "program that trains, as calibration knows it"),
            Field("release", \.release, .text, default: "the profile's", "version of the framework"),
            Field("flash_attention", \.flashAttention, .flag, default: "the framework's", "attention in one fused kernel"),
            Field("tensor_overlap", \.tensorOverlap, .choice, default: "the framework's", "how tensor-parallel collectives overlap"),
            Field("data_overlap", \.dataOverlap, .flag, default: "the framework's", "gradient reduction beside the backward pass"),
            Field("scaling", \.scaling, .choice, default: "the framework's", "how low-precision operands get their scales"),
            Field("launch_blocking", \.launchBlocking, .flag, default: "false", "every kernel is waited for"),
            Field("cuda_graphs", \.cudaGraphs, .flag, default: "false", "kernels are launched as recorded graphs"),
            Field("stage_balance", \.stageBalance, .choice, default: "even", "how layers are dealt out to pipeline stages"),
            Field(
                "gradient_precision", \.gradientPrecision, Kind<GradientFormat>.choice.map(\.rawValue), default: "the framework's",
                "format that gradients are accumulated in"),
            Field("routing", \.routing, routing, default: "the framework's", "how tokens reach experts: even, dropless, drop; joined by +"),
            Field("environment", \.environment, .text, default: "none", "a named state of the machines"),
            Field("transformer_engine", \.transformerEngine, .flag, default: "the framework's", "layers by Transformer Engine"),
            Field("compiled", \.compiled, .flag, default: "the framework's", "elementwise kernels fused by a compiler"),
        ])
    }

    private static var routing: Kind<String> {
        Kind("even | dropless | drop, joined by +", example: "even+dropless") { item, reader in
            guard let text = item.scalar("a routing", example: "dropless", &reader) else { return nil }
            let known = ["even", "dropless", "drop"]
            let strange = text.split(separator: "+", omittingEmptySubsequences: false).first { !known.contains(String($0)) }
            guard let strange else { return text }
            reader.report(item, "\"\(strange)\" is none of even, dropless, drop", suggestion(for: String(strange), in: known))
            return nil
        }
    }

    static func read(_ item: Item, _ reader: inout Reader) -> (stack: SoftwareStack, measured: Measured?, runs: [MeasuredRun]) {
        var draft = Draft()
        section.read(item, into: &draft, &reader)
        return (draft.stack, draft.measured, draft.runs ?? [])
    }
}

/// The section `simulate`.
enum SimulateSection {
    static var entries: [SchemaEntry] { section.entries }

    private static var section: Section<SimulationSettings> {
        Section([
            Field("steps", \.steps, .integer(1...100_000, example: 1), default: "1", "optimizer steps that are simulated in sequence"),
            Field("samples", \.samples, .integer(1...1_000_000, example: 200), default: "200", "draws of what is random"),
            Field("seed", \.seed, seed, default: "1", "of everything random"),
            Field("detail", \.detail, .choice, default: "auto", "how finely a step is simulated"),
            Field(
                "network", \.network, .choice, default: "auto",
                "how communication is timed: each collective alone in closed form, or as flows that share the cluster's links; auto takes flows where the network is oversubscribed"
            ),
            Field("timeline", \.timeline, .flag, default: "true", "record a timeline for reports"),
        ])
    }

    private static var seed: Kind<UInt64> {
        Kind("whole number, 0 to \(UInt64.max)", example: "1") { item, reader in
            guard let text = item.scalar("a whole number", example: "1", &reader) else { return nil }
            if let value = UInt64(text) { return value }
            reader.report(item, "\(item.text) is not a whole number from 0 to \(UInt64.max)", "write for instance 1")
            return nil
        }
    }

    static func read(_ item: Item, _ reader: inout Reader) -> SimulationSettings {
        var settings = SimulationSettings()
        section.read(item, into: &settings, &reader)
        return settings
    }
}
