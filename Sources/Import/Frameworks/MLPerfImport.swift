import Scenario
import Workload

/// Configurations of NVIDIA's submissions to MLPerf Training: scripts that export a run's settings (`config_DGXH100_64x8x128xtp4pp8cp2.sh`).
extension LaunchBuilder {
    static func mlperf(_ request: ImportRequest) throws(ScenarioErrors) -> LaunchBuilder {
        let text = try LaunchFile.text(request.path)
        let script = try LaunchFile.script(text, request)
        var lines: [String: LaunchPlace] = [:]
        for file in script.files {
            let content = file == request.path ? text : LaunchFile.beside(request.path, file)?.text ?? ""
            for (index, line) in content.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                for match in line.matches(of: /(?:^|[\s;:{"])([A-Za-z_][A-Za-z0-9_]*):?=/) {
                    lines[String(match.1)] = LaunchPlace(file: file, line: index + 1)
                }
            }
        }
        let settings = lines.compactMap { name, place -> LaunchSetting? in
            guard let value = script.variables[name] else { return nil }
            return LaunchSetting(name: name, values: [value], place: place, isOption: false, unknown: script.variables.reason(value))
        }.sorted { ($0.place.file, $0.place.line, $0.name) < ($1.place.file, $1.place.line, $1.name) }
        var builder = LaunchBuilder(settings, request) { $0.name }
        builder.remarks = script.remarks
        try builder.submission()
        return builder
    }

    private static let benchmarks: [(part: String, model: String)] = [
        ("llama31_405b", "llama3-405b"), ("405b", "llama3-405b"), ("llama31_8b", "llama3-8b"), ("llama3_8b", "llama3-8b"),
        ("llama2_70b", "llama2-70b"),
        ("lora", "llama2-70b"), ("gpt3", "gpt3-175b"), ("175b", "gpt3-175b"), ("mixtral", "mixtral-8x22b"), ("bert", "bert-large"),
        ("resnet", "resnet50"),
        ("rn50", "resnet50"),
    ]
    private static let devices: [(part: String, gpu: String)] = [
        ("gb300", "gb300-288gb"), ("gb200", "gb200-186gb"), ("b300", "b300-sxm-288gb"), ("b200", "b200-sxm-180gb"),
        ("h200", "h200-sxm-141gb"), ("h100", "h100-sxm-80gb"),
        ("a100", "a100-sxm-80gb"), ("mi300", "mi300x-192gb"), ("mi325", "mi325x-256gb"), ("mi355", "mi355x-288gb"),
    ]

    private mutating func submission() throws(ScenarioErrors) {
        let model = try submittedModel()
        try integer("layout.tensor", ["TENSOR_MODEL_PARALLEL", "TP", "TENSOR_PARALLEL"])
        let pipeline = try integer("layout.pipeline", ["PIPELINE_MODEL_PARALLEL", "PP", "PIPELINE_PARALLEL"]) ?? 1
        try integer("layout.context", ["CONTEXT_PARALLEL", "CP", "CONTEXT_PARALLEL_SIZE"])
        try integer("layout.expert", ["EXPERT_PARALLEL", "EP", "EXPERT_MODEL_PARALLEL"])
        if let chunks = try settings.integer(["INTERLEAVED_PIPELINE", "VP", "VIRTUAL_PIPELINE"], for: "layout.virtual", least: 0),
            chunks.value > 1, pipeline > 1
        {
            draft.set("layout.virtual", "\(chunks.value)", from: chunks.from)
        }
        try submittedMachines()
        if (draft.integer("layout.tensor") ?? 1) > 1 { try flag("layout.sequence_parallel", ["SEQ_PARALLEL", "SEQUENCE_PARALLEL", "SP"]) }
        if model.kind == .transformer { draft.assume("layout.zero", "1", "the submissions' distributed optimizer") }
        try submittedBatch()
        if case .transformer = model.kind,
            try integer("training.sequence", ["SEQ_LENGTH", "ENCODER_SEQ_LENGTH", "SEQUENCE_LENGTH", "MAX_SEQ_LENGTH", "SEQ_LEN"]) == nil
        {
            if let sequence = request.sequence {
                draft.set("training.sequence", "\(sequence)", "--sequence")
            } else {
                let usual = ["gpt3-175b": 2048, "llama2-70b": 8192, "bert-large": 512][model.name] ?? 8192
                draft.assume("training.sequence", "\(usual)", "that of the benchmark")
            }
        }
        let key = "training.precision.compute"
        try flag(key, ["FP8", "USE_FP8", "FP8_HYBRID", "TRANSFORMER_ENGINE_FP8"], as: "fp8")
        try flag(key, ["FP4", "NVFP4"], as: "nvfp4")
        draft.assume(key, model.kind == .transformer ? "bf16" : "fp16", "the usual of the submissions")
        try integer("training.steps", ["MAX_STEPS", "TRAIN_STEPS"])
        draft.set("software.framework", model.kind == .transformer && model.causal ? "mlperf-nemo" : "mlperf-mxnet", "the kind of file")
        try flag("software.tensor_overlap", ["TP_COMM_OVERLAP", "UB_TP_COMM_OVERLAP"], as: "user-buffer", otherwise: "none")
        if (draft.integer("layout.tensor") ?? 1) == 1 { draft.remove("software.tensor_overlap") }
        if model.kind != .transformer { for path in ["layout.zero", "software.tensor_overlap"] { draft.remove(path) } }
    }

    private mutating func submittedModel() throws(ScenarioErrors) -> Architecture {
        if let given = try modelOfCall() { return given }
        let told = settings.take(["MODEL_SIZE", "BENCHMARK", "MODEL_NAME"], for: "model.preset")
        let words = [told?.value ?? "", request.path].map { $0.lowercased() }
        for word in words {
            guard let entry = Self.benchmarks.first(where: { word.contains($0.part) }), let model = try? Architecture.preset(entry.model)
            else { continue }
            if word.contains("lora") { remarks.append("adapters have no counterpart: all parameters are taken to be trained") }
            if let told, word == words[0] {
                draft.set("model.preset", entry.model, from: told)
            } else {
                draft.assume("model.preset", entry.model, "the path of the file")
            }
            return model
        }
        throw launchFault(
            start, "", "neither the file nor its path tells the benchmark", "give --model with a name of orrery catalogue models")
    }

    private mutating func submittedMachines() throws(ScenarioErrors) {
        if let nodes = try settings.integer(["DGXNNODES", "NNODES"], for: "cluster.gpus") {
            launcher.nodes = LauncherOptions.Count(value: nodes.value, from: nodes.from)
        }
        if let each = try settings.integer(["DGXNGPU", "GPUS_PER_NODE"], for: "cluster.gpus") {
            launcher.perNode = LauncherOptions.Count(value: each.value, from: each.from)
        } else if let nodes = launcher.nodes {
            launcher.perNode = LauncherOptions.Count(
                value: 8, from: LaunchSetting(name: "assumed: 8 GPUs a node", values: [], place: nodes.from.place, isOption: false))
        }
        let system = settings.take(["DGXSYSTEM"], for: "cluster.gpu")
        let words = [system?.value ?? "", request.path.split(separator: "/").last.map(String.init) ?? ""].map { $0.lowercased() }
        if request.gpu == nil, let entry = Self.devices.first(where: { device in words.contains { $0.contains(device.part) } }) {
            draft.assume("cluster.gpu", entry.gpu, "the name of the system")
        }
        try cluster()
    }

    private mutating func submittedBatch() throws(ScenarioErrors) {
        let micro = try settings.integer(["MICRO_BATCH_SIZE", "MBS"], for: "training.micro_batch")
        let replica = try settings.integer(["MINIBS", "MINI_BATCH_SIZE"], for: "training.global_batch")
        let perGPU = try settings.integer(["BATCHSIZE", "BATCH_SIZE"], for: "training.micro_batch")
        if let micro {
            draft.set("training.micro_batch", "\(micro.value)", from: micro.from)
        } else if let perGPU {
            draft.set("training.micro_batch", "\(perGPU.value)", from: perGPU.from)
        } else {
            draft.assume("training.micro_batch", "1", "the file does not say")
        }
        if let batch = request.batch { return draft.set("training.global_batch", "\(batch)", "--batch") }
        if try integer("training.global_batch", ["GLOBAL_BATCH_SIZE", "GBS"]) != nil { return }
        if let replica {
            draft.set("training.global_batch", "\(min(1 << 20, replica.value) * replicas)", from: replica.from, "x \(replicas) replicas")
        } else if let perGPU {
            draft.set("training.global_batch", "\(min(1 << 20, perGPU.value) * replicas)", from: perGPU.from, "x \(replicas) replicas")
        } else {
            draft.assume("training.global_batch", "\((micro?.value ?? 1) * replicas)", "one micro-batch a replica")
        }
    }
}
