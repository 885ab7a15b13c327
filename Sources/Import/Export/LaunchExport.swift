import Calibration
import Cluster
import Plan
import Quantities
import Scenario
import Workload

/// A job as the launch file of a training program.
public struct ExportedLaunch: Sendable {
    public let text: String
    /// What the file cannot say, and whoever uses it should know.
    public let remarks: [String]
}

/// Writes the job of a scenario as flags or configuration of a training program. What `importLaunch` reads of it is the same layout.
/// - Throws: `Faults` with each key that the program has no counterpart of, or that it does not offer (stacks.yaml).
public func exportLaunch(_ scenario: Scenario, _ format: LaunchFormat) throws(Faults) -> ExportedLaunch {
    var writer = LaunchWriter(scenario, format)
    writer.checkCommon()
    switch format {
    case .megatron: writer.megatron()
    case .nemo: writer.nemo()
    case .torchtitan: writer.torchtitan()
    case .deepspeed: writer.deepspeed()
    case .huggingface, .mlperf:
        writer.refuse("", "launch files of this kind are not written", "write megatron, deepspeed, torchtitan or nemo")
    }
    guard writer.faults.isEmpty else { throw Faults(writer.faults) }
    return ExportedLaunch(text: writer.text, remarks: writer.remarks)
}

/// Gathers settings, and faults of what has no counterpart.
struct LaunchWriter {
    let name: String
    var job: Job
    let format: LaunchFormat
    var faults: [Fault] = []
    var remarks: [String] = []
    var text = ""
    var layout: Layout { job.layout }
    var training: TrainingSpec { job.training }
    var model: Architecture { job.model }

    private static let frameworks: [LaunchFormat: String] = [
        .megatron: "megatron-lm", .deepspeed: "deepspeed", .torchtitan: "torchtitan", .nemo: "nemo",
    ]
    var program: String { Self.frameworks[format] ?? format.rawValue }

    init(_ scenario: Scenario, _ format: LaunchFormat) {
        (name, job, self.format) = (scenario.name, scenario.job, format)
        let own = job.software.framework.lowercased()
        // A relative of the program (its deep-speed branch, its bridge) keeps what it offers.
        if StackTable.offer(of: own) != StackTable.offer(of: program) { job.software = SoftwareStack(framework: program) }
        settleRecomputation()
    }

    /// `auto` as the layers that it stands for: the most that a pipeline rank recomputes, as launch files have one number for all.
    private mutating func settleRecomputation() {
        if case .auto = training.recompute, let data = try? CalibrationData.shipped(), let plan = try? job.plan(data) {
            job.training.recompute = plan.job.training.recompute
        }
        guard case .perRank(let counts) = training.recompute, let most = counts.max() else { return }
        job.training.recompute = .layers(most)
        guard Set(counts).count > 1 else { return }
        let words = counts.map(String.init).joined(separator: ", ")
        remarks.append("the pipeline ranks recompute \(words) layers; the file says \(most) for all")
    }

    mutating func refuse(_ key: String, _ reason: String, _ advice: String = "") {
        let fault = Fault(keyPath: key, reason: reason, suggestion: advice)
        if !faults.contains(fault) { faults.append(fault) }
    }

    /// What no launch file says, and what the program does not offer.
    mutating func checkCommon() {
        guard case .transformer = model.kind else {
            return refuse("model.kind", "\(program) trains transformers", "export the job of a transformer")
        }
        faults += job.problems()
        if layout.pipeline > 1, !job.offeredSchedules.contains(layout.schedule), layout.schedule != .interleaved || layout.virtual > 1 {
            refuse(
                "layout.schedule", "\(program) has no schedule \(layout.schedule.rawValue)",
                "write one of \(job.offeredSchedules.map(\.rawValue).joined(separator: ", "))")
        }
        if layout.order != nil { refuse("layout.schedule", "an order from a file cannot be handed over", "write a schedule by name") }
        if layout.tensorAlgorithm != .oneD { refuse("layout.tensor_algorithm", "\(program) cuts matrices by columns and rows", "write 1d") }
        if layout.contextOrder != .zigzag, layout.context > 1 {
            refuse("layout.context_order", "\(program) has zigzag only", "write zigzag")
        }
        if layout.expertDispatch != Layout.ExpertDispatch() {
            refuse("layout.expert_dispatch", "no setting of \(program) says this", "leave it out")
        }
        // Adapters, frozen parts and further passes are settings of trainers built on these programs, not of their launch files.
        if training.adapters != nil { refuse("training.adapters", "no setting of \(program)'s launch file says this", "leave it out") }
        if !training.frozen.isEmpty { refuse("training.frozen", "no setting of \(program)'s launch file says this", "leave it out") }
        if training.passes != ExtraPasses() {
            refuse("training.passes", "no setting of \(program)'s launch file says this", "leave it out")
        }
        if layout.offload != .none, !layout.offloadsState {
            refuse("layout.offload", "offloaded activations are not handed over", "write none, optimizer or parameters")
        }
        if layout.offload != .none, layout.offloadShare != 1 || layout.offloadLayers != nil {
            refuse("layout.offload", "a part of the state is not handed over", "offload all of it, or nothing")
        }
        if layout.bucketing != .fixed { refuse("layout.bucket", "\(program) has buckets of one size", "write a size") }
        if !job.cluster.pools.isEmpty { refuse("cluster.pools", "nodes of several kinds cannot be handed over", "export one kind") }
        if training.compression != nil { refuse("training.compression", "no setting of \(program) says this", "write none") }
        if training.loss != .whole { refuse("training.loss", "no setting of \(program) says this", "write whole") }
        if layout.stageDeal != .auto {
            refuse(
                "layout.stage_layers", "dealing by \(layout.stageDeal.rawValue) cannot be handed over",
                "write the layers of each stage, or auto")
        }
        if case .auto = training.recompute {
            refuse("training.recompute", "auto cannot be handed over", "write {layers: n} as orrery run shows it")
        }
        if case .perRank = training.recompute {
            refuse("training.recompute", "ranks that recompute differently cannot be handed over", "write {layers: n}")
        }
        if model.sharedAttention > 1 || model.sharedBlocks > 1 {
            refuse("model.sharing", "no setting of \(program) says this", "leave it out")
        }
        if job.precision.activations != nil {
            refuse("training.precision.activations", "no setting of \(program) says this", "leave it out")
        }
    }

    /// Steps of the run; nil where it has no length.
    var steps: Int? { training.length == .oneStep ? nil : job.steps }

    var nodes: Int { job.cluster.nodes }
    var perNode: Int { min(job.cluster.gpus, job.cluster.gpusPerNode) }
    var data: Int { job.data }
}
