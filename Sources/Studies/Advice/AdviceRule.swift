import Cluster
import Plan
import Scenario
import Workload

/// A rule of thumb of the field, and the settings that it stands for on a given scenario.
public struct AdviceRule: Sendable {
    /// What may be lost where a rule is followed.
    public enum Risk: String, Sendable {
        case none
        /// The answer of training changes; what it costs in loss is a question for `orrery train`.
        case quality
        /// Runs may be lost or wait.
        case availability
    }
    public var name: String
    /// The rule as people say it.
    public var rule: String
    /// When it fails.
    public var failsWhen: String
    public var risk: Risk
    /// Candidates, `key=value` each; none where the rule does not apply.
    var candidates: @Sendable (Scenario) -> [[String]]

    /// Rules that simulation can try, in the order of the data path: layout, kernels, batch, network, weeks, money.
    public static let all: [AdviceRule] = layout + kernels + batch + weeks

    private static let layout: [AdviceRule] = [
        AdviceRule(
            name: "tensor", rule: "tensor parallelism no wider than needed, and never beyond a node",
            failsWhen: "the model does not fit with less, or one sample must be fast", risk: .none
        ) { scenario in
            let tensor = scenario.job.layout.tensor
            return [tensor / 2, tensor / 4, tensor * 2].filter { $0 >= 1 && $0 != tensor && $0 <= scenario.job.cluster.domain }.map {
                ["layout.tensor=\($0)"]
            }
        },
        AdviceRule(
            name: "pipeline", rule: "as few pipeline stages as memory allows",
            failsWhen: "replicas exchange over a slow network, or the model does not fit", risk: .none
        ) { scenario in
            let pipeline = scenario.job.layout.pipeline
            return [pipeline / 2, pipeline / 4, pipeline * 2].filter { $0 >= 1 && $0 != pipeline && $0 <= 64 }.map {
                ["layout.pipeline=\($0)"] + ($0 == 1 ? ["layout.virtual=1", "layout.schedule=1f1b"] : [])
            }
        },
        AdviceRule(
            name: "tensor for pipeline", rule: "trade tensor for pipeline parallelism, and back",
            failsWhen: "few micro-batches make bubbles, or a node's links are slow", risk: .none
        ) { scenario in
            let layout = scenario.job.layout
            var result: [[String]] = []
            if layout.tensor >= 2 { result.append(["layout.tensor=\(layout.tensor / 2)", "layout.pipeline=\(layout.pipeline * 2)"]) }
            if layout.pipeline >= 2, layout.tensor * 2 <= scenario.job.cluster.domain {
                result.append(["layout.tensor=\(layout.tensor * 2)", "layout.pipeline=\(layout.pipeline / 2)"])
            }
            return result
        },
        AdviceRule(
            name: "interleaving", rule: "two to four chunks a pipeline rank shrink the bubble",
            failsWhen: "micro-batches are many, or hops are slow",
            risk: .none
        ) { scenario in
            guard scenario.job.layout.pipeline > 1 else { return [] }
            return [2, 3, 4].map { ["layout.virtual=\($0)", "layout.schedule=interleaved"] }
        },
        AdviceRule(
            name: "zero bubble", rule: "a zero-bubble schedule fills the bubble with weight gradients",
            failsWhen: "the software has no such schedule, or memory is short", risk: .none
        ) { scenario in
            guard scenario.job.layout.pipeline > 1 else { return [] }
            return [["layout.schedule=zb-h1", "layout.virtual=1"], ["layout.schedule=zb-v", "layout.virtual=2"]]
        },
        AdviceRule(
            name: "sequence parallelism", rule: "shard what tensor parallelism leaves whole along the sequence",
            failsWhen: "never, where the software has it", risk: .none
        ) { scenario in scenario.job.layout.tensor > 1 && !scenario.job.layout.sequenceParallel ? [["layout.sequence_parallel=true"]] : []
        },
        AdviceRule(
            name: "sharded states", rule: "shard the optimizer's state over the replicas, the rest only where memory asks for it",
            failsWhen: "replicas exchange over a slow network", risk: .none
        ) { scenario in [0, 1, 2, 3].filter { $0 != scenario.job.layout.zero }.map { ["layout.zero=\($0)"] } },
        AdviceRule(
            name: "shard inside the node", rule: "gather parameters inside a node only (hybrid sharding)",
            failsWhen: "a node's memory does not hold the states once", risk: .none
        ) { scenario in
            scenario.job.layout.zero == 3 && scenario.job.cluster.gpus > scenario.job.cluster.domain
                ? [["layout.shard_group=\(scenario.job.cluster.domain)"]] : []
        },
    ]

    private static let kernels: [AdviceRule] = [
        AdviceRule(
            name: "flash attention", rule: "attention that never writes its scores", failsWhen: "a device or release lacks it", risk: .none
        ) { _ in [["software.flash_attention=true"]] },
        AdviceRule(
            name: "recomputation", rule: "recompute as little as memory allows", failsWhen: "memory is full", risk: .none
        ) { _ in [["training.recompute=none"], ["training.recompute=selective"], ["training.recompute=auto"]] },
        AdviceRule(
            name: "micro-batch", rule: "micro-batches in powers of two, as large as memory and the bubble allow",
            failsWhen: "the pipeline runs out of micro-batches", risk: .none
        ) { scenario in
            let own = scenario.job.training.microBatch
            return [own * 2, own * 4, own / 2].filter { $0 >= 1 && $0 != own }.map { ["training.micro_batch=\($0)"] }
        },
        AdviceRule(
            name: "CUDA graphs", rule: "replay recorded launches instead of issuing each", failsWhen: "shapes change from step to step",
            risk: .none
        ) { _ in [["software.cuda_graphs=true"]] },
        AdviceRule(
            name: "compilation", rule: "compile what is eager", failsWhen: "the framework does not offer it", risk: .none
        ) { _ in [["software.compiled=true"]] },
        AdviceRule(
            name: "hidden reduction", rule: "send gradients while the backward pass goes on",
            failsWhen: "communication slows computation more",
            risk: .none
        ) { _ in [["layout.overlap.grad_reduce=true"], ["layout.overlap.grad_reduce=true", "layout.overlap.param_gather=true"]] },
        AdviceRule(
            name: "8-bit arithmetic", rule: "matrix products in fp8 where the device has it", failsWhen: "outliers make training diverge",
            risk: .quality
        ) { scenario in
            scenario.job.cluster.accelerator.peaks[.fp8] != nil && scenario.job.precision.compute != .fp8
                ? [["training.precision=fp8"]] : []
        },
    ]

    private static let batch: [AdviceRule] = [
        AdviceRule(
            name: "8-bit gradients", rule: "8-bit gradients up to 8 GPUs, the largest 5 % from 32",
            failsWhen: "replicas are many: what is gathered grows with them", risk: .quality
        ) { scenario in
            guard scenario.job.data > 1 else { return [] }
            return scenario.job.cluster.gpus >= 32
                ? [["training.compression={topk: 5%, values: e4m3}"], ["training.compression={powersgd: 4}"]]
                : [["training.compression={values: e4m3}"]]
        },
        AdviceRule(
            name: "larger batch", rule: "twice the batch while it stays below the critical one",
            failsWhen: "the batch is beyond the critical one",
            risk: .quality
        ) { scenario in [["training.global_batch=\(scenario.job.training.globalBatch * 2)"]] },
        AdviceRule(
            name: "placement", rule: "place ranks so that tensor and expert traffic stays inside the node", failsWhen: "it already does",
            risk: .none
        ) { scenario in
            scenario.job.cluster.gpus <= 4096 && scenario.job.cluster.gpus > scenario.job.cluster.domain
                ? [["cluster.placement=searched"]] : []
        },
    ]

    private static let weeks: [AdviceRule] = [
        AdviceRule(
            name: "checkpoint interval", rule: "save as often as the run's own optimum says", failsWhen: "nothing fails", risk: .none
        ) { scenario in scenario.weeks.isActive ? [["conditions.checkpoint.interval=auto"]] : [] },
        AdviceRule(
            name: "checkpoints beside training", rule: "write checkpoints in the background", failsWhen: "memory for the snapshot is short",
            risk: .none
        ) { scenario in scenario.weeks.isActive ? [["conditions.checkpoint={kind: async, interval: auto}"]] : [] },
        AdviceRule(
            name: "spot machines", rule: "rent spot machines where little is lost to a preemption",
            failsWhen: "preemptions come faster than checkpoints",
            risk: .availability
        ) { scenario in
            scenario.prices.spotGPUHour != nil
                ? [["prices.purchase=spot", "conditions.spot={preemption_per_hour: 2%, notice: 120 s}"]] : []
        },
    ]

    /// Rules about what training learns, which no schedule can try; each with the command that can.
    public static let untried: [(rule: String, command: String)] = [
        ("a rate 1.5 to 2 times as high with adaptive steps", "orrery train FILE --set cosim.rate=... (docs/co-simulation.md)"),
        ("30 to 50 % sparsity; a rate 15 to 20 % lower when sparse; batches of 32 and more", "make claims (C28, C32, C45)"),
        ("clipping, and a warm-up of the rate", "orrery train FILE --set cosim.clip.norm=1 --set cosim.rate.warmup=100"),
        ("averaging replicas only now and then", "orrery train scenarios/cosim/c34-adaptive-local-steps.yaml --project"),
    ]
}
