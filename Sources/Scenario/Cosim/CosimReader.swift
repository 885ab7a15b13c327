import CoSimulation
import Compression
import Foundation
import Plan
import Simulation
import Training

/// Puts a request together from the sections of a file.
struct CosimReader {
    let tree: Tree
    var reader = Reader(library: .standard)

    init(tree: Tree) { self.tree = tree }

    private func section(_ key: String) -> Item? { tree[key].map { Item(tree: $0.value, path: key) } }
    private mutating func report(_ keyPath: String, _ reason: String, _ advice: String) {
        reader.report(tree.place(of: keyPath.split(separator: ".").map(String.init)), keyPath, reason, advice)
    }

    /// - Returns: nil when a fault was reported.
    mutating func read(name: String) -> CosimRequest? {
        guard let section = section("cosim") else {
            reader.report(
                tree.place, "cosim", "the section cosim is missing",
                "write cosim: {task: {kind: noisy-quadratic}}; orrery scenario-keys cosim lists its keys")
            return nil
        }
        var draft = CosimSection.Draft()
        CosimSection.section.read(section, into: &draft, &reader)
        var target = readTarget(name)
        let training = readTraining()
        if let compression = training.compression { target?.job.training.compression = compression }
        let conditions = self.section("conditions").map { ConditionsSection.read($0, &reader).conditions } ?? Conditions()
        let settings = self.section("simulate").map { SimulateSection.read($0, &reader) } ?? SimulationSettings()
        guard reader.errors.isEmpty, let proxy = proxy(draft) else { return nil }
        var title = name
        if case .scalar(let text, _)? = tree["name"]?.value.content { title = text }
        var request = CosimRequest(
            name: title, spec: CosimSpec(proxy: proxy, workers: 1), synchronization: training.synchronization ?? SynchronizationChoice(),
            service: nil, communicates: false, conditions: conditions, target: target)
        request.tree = tree
        fill(&request, draft, training, settings)
        request.hash = tree.hash(reader.meanings)
        return reader.errors.isEmpty ? request : nil
    }

    /// The job of the file, where there is one.
    private mutating func readTarget(_ name: String) -> Scenario? {
        guard tree["model"] != nil || tree["cluster"] != nil else {
            for entry in tree.entries ?? [] where !ScenarioReader.entries.contains(where: { $0.keyPath == entry.key }) {
                reader.report(
                    entry.place, entry.key, "unknown key \"\(entry.key)\"",
                    suggestion(for: entry.key, in: ["cosim", "training", "conditions", "simulate", "name", "model", "cluster"]))
            }
            return nil
        }
        var whole = ScenarioReader(library: .standard)
        var job = tree
        // A job's gradients travel in one format; here `precision.reduce` is that of the plain training which compression is compared with.
        if job.entry(at: ["training", "precision", "reduce"]) != nil { job.remove(["training", "compression"]) }
        let scenario = whole.read(job, name: name)
        for error in whole.errors { reader.report(Place(error), error.keyPath, error.reason, error.suggestion) }
        return scenario
    }

    struct TrainingDraft {
        var synchronization: SynchronizationChoice?
        var compression: GradientCompression??
        var optimizer: CosimSection.OptimizerName?
    }

    /// What of `training` concerns the co-simulation; the rest is the target's.
    private mutating func readTraining() -> TrainingDraft {
        var draft = TrainingDraft()
        guard let item = section("training") else { return draft }
        if let entry = item.tree["synchronization"] { draft.synchronization = SynchronizationSection.kind.read(item.child(entry), &reader) }
        if let entry = item.tree["compression"] { draft.compression = CompressionSection.kind.read(item.child(entry), &reader) }
        if let entry = item.tree["optimizer"] {
            var text: String?
            if case .scalar(let word, _) = entry.value.content { text = word }
            if case .scalar(let word, _)? = entry.value["kind"]?.value.content { text = word }
            if let text, let name = CosimSection.OptimizerName(rawValue: text) {
                draft.optimizer = name
            } else if tree["model"] == nil {
                reader.report(
                    item.child(entry), "\(text ?? "this") is not an optimizer that is known",
                    suggestion(for: text ?? "", in: CosimSection.OptimizerName.allCases.map(\.rawValue)))
            }
        }
        guard tree["model"] == nil, tree["cluster"] == nil else { return draft }
        let known = TrainingSection.entries.map { $0.keyPath.split(separator: ".").first.map(String.init) ?? "" }
        for entry in item.tree.entries ?? [] where !known.contains(entry.key) {
            reader.report(
                entry.place, "training.\(entry.key)", "unknown key \"\(entry.key)\"",
                suggestion(for: entry.key, in: Array(Set(known)).sorted()))
        }
        return draft
    }

    // MARK: The proxy

    private mutating func proxy(_ draft: CosimSection.Draft) -> ProxySpec? {
        guard let kind = draft.task.kind else {
            report("cosim.task.kind", "the key is missing", "write task: {kind: noisy-quadratic}")
            return nil
        }
        guard let task = task(kind, draft.task) else { return nil }
        var proxy = ProxySpec(task: task)
        proxy.seed = UInt64(draft.task.seed)
        if kind == .noisyQuadratic {
            if tree.entry(at: ["cosim", "model"]) != nil {
                report("cosim.model", "the noisy quadratic has no model", "remove the key")
            }
            return proxy
        }
        let usual: CosimSection.ModelKind = kind == .markov || kind == .text ? .gpt : .mlp
        let model = draft.model
        switch model.kind ?? usual {
        case .mlp: proxy.model = .mlp(hidden: model.hidden ?? [64])
        case .cnn: proxy.model = .cnn(channels: model.channels)
        case .gpt:
            if model.width % model.heads != 0 {
                report("cosim.model.heads", "\(model.heads) heads do not divide a width of \(model.width)", "write a divisor of hidden")
            }
            proxy.model = .gpt(
                layers: model.layers, hidden: model.width, heads: model.heads, sequence: model.sequence,
                experts: model.experts.count.map { .init(count: $0, active: min($0, model.experts.active)) }, keptKeys: model.keptKeys)
        }
        proxy.phases = draft.phases.map { SequencePhase(end: $0.until ?? 1, sequence: $0.sequence, keptKeys: $0.keptKeys) }
        if case .gpt? = proxy.model {
        } else if !proxy.phases.isEmpty {
            report("cosim.phases", "only a transformer is trained in phases", "remove the key, or write model: {kind: gpt}")
        }
        do { _ = try proxy.singlePrecision() } catch { report(error.key, error.reason, error.advice) }
        return proxy
    }

    private mutating func task(_ kind: CosimSection.TaskKind, _ draft: CosimSection.TaskDraft) -> ProxySpec.Task? {
        switch kind {
        case .noisyQuadratic:
            let curvature = draft.curvature ?? [1]
            let deviation =
                switch draft.noise {
                case .level(let level): [Double](repeating: level, count: curvature.count)
                case .curvature: curvature.map { $0.squareRoot() }
                }
            return .noisyQuadratic(curvature: curvature, deviation: deviation, start: draft.start)
        case .teacherStudent:
            return .teacherStudent(inputs: draft.inputs, hidden: draft.hidden, classes: draft.classes, labelNoise: draft.labelNoise)
        case .markov: return .markov(vocabulary: draft.vocabulary, sharpness: draft.sharpness)
        case .text:
            guard let file = draft.file, file != "auto" else { return .text(bytes: nil) }
            return contents("cosim.task.file", file).map { .text(bytes: $0) }
        case .idx:
            guard let images = draft.images, let labels = draft.labels else {
                report("cosim.task", "images or labels is missing", "write images: and labels: with the paths of two IDX files")
                return nil
            }
            guard let pixels = contents("cosim.task.images", images), let classes = contents("cosim.task.labels", labels) else {
                return nil
            }
            do { return .images(try IDXFile.batch(images: pixels, labels: classes)) } catch {
                report("cosim.task.images", error.message, "give the unpacked files of MNIST or the like")
                return nil
            }
        }
    }

    private mutating func contents(_ key: String, _ path: String) -> [UInt8]? {
        let place = tree.place(of: key.split(separator: ".").map(String.init))
        let full = sibling(path, of: place)
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: full)) else {
            report(key, "\(full) cannot be read", "give the path of a file, from the scenario's folder")
            return nil
        }
        return Array(data)
    }

    // MARK: The training

    private mutating func fill(
        _ request: inout CosimRequest, _ draft: CosimSection.Draft, _ training: TrainingDraft, _ settings: SimulationSettings
    ) {
        var spec = request.spec
        let isQuadratic = draft.task.kind == .noisyQuadratic
        spec.workers = (draft.workers ?? nil) ?? request.target?.job.data ?? 1
        let isFederated = if case .federated = request.synchronization.method { true } else { false }
        if isFederated, let workers = draft.workers ?? nil {
            request.remarks.append("cosim.workers: \(workers) has no effect: the clients of training.synchronization are the workers")
        }
        if draft.workers ?? nil == nil, request.target == nil, !isFederated {
            request.remarks.append("cosim.workers is not given and there is no target: 1")
        }
        spec.batch = draft.batch
        spec.optimizer = draft.optimizer ?? training.optimizer.map { CosimSection.recipe($0) } ?? (isQuadratic ? .sgd() : .adamW())
        spec.rate = draft.rate ?? CosimSpec.Rate(nil)
        spec.seeds = draft.seeds
        spec.seed = settings.seed
        spec.tuning = draft.tune
        spec.evaluate = draft.evaluate
        spec.precision = draft.precision ?? (isQuadratic ? .fp64 : .fp32)
        spec.codec = (training.compression ?? nil)?.codec
        spec.lossScale = draft.lossScale
        spec.clipping = clipping(draft.clip)
        // Nothing runs for ever: a target may be out of reach, and a clock may stand still.
        let open = draft.targetLoss != nil || draft.seconds != nil
        spec.stop = StopRule(
            steps: draft.steps ?? (open ? (isQuadratic ? 200_000 : 10_000) : 1000), seconds: draft.seconds?.seconds,
            targetLoss: draft.targetLoss)
        fillService(&request, draft)
        spec.method = request.synchronization.method
        place(&spec, request)
        request.spec = spec
    }

    private mutating func fillService(_ request: inout CosimRequest, _ draft: CosimSection.Draft) {
        if let own = draft.service ?? nil {
            request.service = Service(own.distribution, mean: own.mean?.seconds ?? 1)
        } else if request.target == nil {
            if draft.service != nil {
                report(
                    "cosim.service", "there is no target: the file holds no model and cluster", "write {distribution: constant, mean: 1 s}")
            }
            request.service = Service(mean: 1)
            request.remarks.append("cosim.service is not given and there is no target: a gradient takes 1 s")
        }
        request.communicates = draft.communication.map { $0 == .target } ?? (request.service == nil)
        if request.communicates, request.target == nil {
            report("cosim.communication", "there is no target: the file holds no model and cluster", "write none, or remove the key")
        }
    }

    /// What depends on how many workers there are, and where.
    private mutating func place(_ spec: inout CosimSpec, _ request: CosimRequest) {
        if case .local(let period, let outer, _) = spec.method, let groups = request.synchronization.groups {
            var listed: [[Int]]
            switch groups {
            case .listed(let list): listed = list
            case .node:
                guard let job = request.target?.job else {
                    return report("training.synchronization.groups", "there is no target whose nodes could be meant", "list the workers")
                }
                let perReplica = max(1, job.cluster.gpus / max(1, job.data))
                let size = max(1, job.cluster.gpusPerNode / perReplica)
                listed = stride(from: 0, to: spec.workers, by: size).map { Array($0..<min($0 + size, spec.workers)) }
            }
            if listed.joined().sorted() != Array(0..<spec.workers) {
                report(
                    "training.synchronization.groups", "the groups do not hold each of \(spec.workers) workers once",
                    "name every worker from 0 to \(spec.workers - 1) once")
            }
            spec.method = .local(period: period, outer: outer, groups: listed)
        }
        if case .federated(var federation) = spec.method {
            if federation.samplesPerClient == 0 { federation.samplesPerClient = 10 * spec.batch }
            if federation.perRound > federation.clients {
                report(
                    "training.synchronization.per_round", "\(federation.perRound) of \(federation.clients) clients a round",
                    "write 1 to \(federation.clients)")
            }
            spec.method = .federated(federation)
            spec.workers = federation.clients
        }
        if case .synchronous(let backup, _) = spec.method, backup >= spec.workers {
            report(
                "training.synchronization.backup", "\(backup) of \(spec.workers) workers are not waited for",
                "write 0 to \(spec.workers - 1)")
        }
        if case .grouped = spec.method, spec.codec != nil {
            report("training.compression", "gradients grouped by size travel as they are", "write compression: none")
        }
        if case .noisyQuadratic = spec.proxy.task, let target = spec.stop.targetLoss, target <= 0 {
            report("cosim.target_loss", "no parameters reach a loss of \(target): the task's least is 0", "write a loss above 0")
        }
        if case .markov = spec.proxy.task, let target = spec.stop.targetLoss, let task = try? spec.proxy.singlePrecision(),
            let floor = task.floor, target <= floor
        {
            report(
                "cosim.target_loss", "no model reaches a loss of \(target): the source's entropy is \(floor)", "write a loss above it")
        }
    }

    private mutating func clipping(_ draft: CosimSection.ClipDraft) -> CosimSpec.Clipping? {
        let all: [(String, CosimSpec.Clipping)] = [
            ("norm", draft.norm.map { .norm($0) }), ("value", draft.value.map { .value($0) }),
            ("quantile", draft.quantile.map { .quantile($0) }), ("adaptive", draft.adaptive.map { .adaptive($0) }),
        ].compactMap { name, kind in kind.map { (name, $0) } }
        if all.count > 1 {
            report("cosim.clip", "\(all.map(\.0).joined(separator: " and ")) exclude each other", "keep one of them")
        }
        return all.first?.1
    }
}

extension Place {
    fileprivate init(_ error: ScenarioError) { self.init(file: error.file, line: error.line, column: error.column) }
}
