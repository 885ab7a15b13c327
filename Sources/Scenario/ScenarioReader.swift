import Calibration
import Cluster
import Cost
import Lifetime
import Plan
import Quantities
import Simulation
import Workload

/// Reads a merged tree section by section.
struct ScenarioReader {
    private var reader: Reader
    private var lossLaw: LossLaw?
    /// Whether a layout that cannot run is noted and no fault.
    var takesAnyLayout = false
    private var layoutProblems: [Fault] = []
    private var runs: [MeasuredRun] = []
    init(library: Library, mayReadFiles: Bool = true) { reader = Reader(library: library, mayReadFiles: mayReadFiles) }

    var errors: [ScenarioError] { reader.errors }

    private struct Draft {
        var version = 1
        var name: String?
        var extends: String?
    }

    private static let sections: [(key: String, meaning: String, entries: [SchemaEntry])] = [
        ("model", "what is trained", ModelSection.entries),
        ("cluster", "on which machines", ClusterSection.entries),
        ("layout", "how it is cut over the GPUs", LayoutSection.entries),
        ("training", "how, and for how long", TrainingSection.entries),
        ("conditions", "what disturbs the run", ConditionsSection.entries),
        ("updates", "what changes while the run goes on", UpdatesSection.entries),
        ("monitor", "what watches the run, and how soon it sees what", MonitorSection.entries),
        ("software", "the program that trains; it picks the calibration profile", SoftwareSection.entries),
        ("prices", "what it costs", PricesSection.entries),
        ("simulate", "what is simulated, and how finely", SimulateSection.entries),
        ("cosim", "what `orrery train` really trains under the clock of this job", CosimSection.entries),
        ("execute", "what `orrery execute` really runs on this machine", ExecuteSection.entries),
    ]

    private static var head: Section<Draft> {
        Section([
            Field("orrery", \.version, .integer(1...1), default: "1", "version of this file format"),
            Field("name", \.name, .text, default: "the file's name", "what reports call the scenario"),
            Field("extends", \.extends, .text, default: "none", "path, relative to this file, of a scenario that this one is laid over"),
        ])
    }

    static let entries: [SchemaEntry] = {
        var all = head.entries
        let late = Unavailable.entries
        for section in sections {
            let required = ["model", "cluster", "training"].contains(section.key)
            all.append(
                SchemaEntry(
                    keyPath: section.key, type: "mapping", defaultValue: required ? "required" : "none", meaning: section.meaning,
                    example: "{}"))
            all += section.entries.map { $0.under(section.key) }
            all += late.filter { $0.keyPath.hasPrefix(section.key + ".") }
        }
        all += late.filter { !$0.keyPath.contains(".") }
        all.append(
            SchemaEntry(
                keyPath: "vary", type: "mapping of key paths to lists", defaultValue: "none",
                meaning: "values to go through, every combination",
                example: "{layout.tensor: [1]}"))
        all.append(
            SchemaEntry(
                keyPath: "zip", type: "mapping of key paths to lists", defaultValue: "none",
                meaning: "values to go through side by side: the first of each list, the second of each, ...",
                example: "{layout.tensor: [1]}"))
        return all
    }()

    /// What to write instead of a key that a section does not have: a near one of the section, or the section that the key belongs to.
    static func advice(for key: String, in section: [String]) -> String {
        let word = key.lowercased().replacing("_", with: "-")
        if let meant = methods.first(where: { $0.words.contains(word) }) { return "write \(meant.write)" }
        if nearest(key, in: section) == nil, let home = entries.first(where: { $0.keyPath.hasSuffix(".\(key)") }) {
            return "it belongs to \(home.keyPath)"
        }
        return suggestion(for: key, in: section)
    }

    /// What people call methods of fine-tuning and of training on preferences, and how a scenario says them.
    private static let methods: [(words: [String], write: String)] = [
        (["lora", "peft", "adapter"], "training.adapters: {kind: lora, rank: 16}"),
        (["qlora", "load-in-4bit", "quantization"], "training.adapters: {kind: lora, rank: 16, base: nf4}"),
        (["freeze", "frozen-layers", "trainable"], "training.frozen: [embedding, attention], with the parts that do not train"),
        (["dpo", "ppo", "grpo", "rlhf", "kto"], "training.passes: {reference: 1}, with the forward passes beside those that train"),
        (
            ["distillation", "distill", "teacher"],
            "training.passes: {reference: 1} for a teacher of the model's own size; another one is not modelled"
        ),
    ]

    /// What to write instead of a key path that no file may hold; nil for one that may.
    static func adviceForUnknown(_ keyPath: String) -> String? {
        let known = entries.map(\.keyPath).filter { !$0.contains("[]") && !["vary", "zip", "extends"].contains($0) }
        if known.contains(keyPath) { return nil }
        if let close = nearest(keyPath, in: known) { return "did you mean \"\(close)\"?" }
        let last = keyPath.split(separator: ".").last.map(String.init) ?? keyPath
        if let same = known.first(where: { $0.hasSuffix(".\(last)") }) { return "did you mean \"\(same)\"?" }
        return "write a full path such as layout.tensor"
    }

    /// - Returns: nil when a fault was reported.
    mutating func read(_ whole: Tree, name: String) -> Scenario? {
        guard let entries = whole.entries else {
            reader.report(
                Item(tree: whole, path: ""), "the file holds no mapping of keys",
                "a scenario needs the sections model, cluster and training")
            return nil
        }
        var tree = whole
        Unavailable.refuse(in: &tree, &reader)
        let draft = readHead(tree)
        for key in ["model", "cluster", "training"] where tree[key] == nil && !entries.isEmpty || entries.isEmpty {
            reader.report(whole.place, key, "the section \(key) is missing", "every scenario needs model, cluster and training")
        }
        let before = reader.errors.count
        let job = readJob(tree)
        let mayCheck = reader.errors.count == before
        let (conditions, read) = section("conditions", tree).map { ConditionsSection.read($0, &reader) } ?? (Conditions(), WeeksSpec())
        var weeks = read
        weeks.duration = job?.training.duration.map { Double($0.nanoseconds) / 1e9 }
        if let monitor = section("monitor", tree) { weeks.monitor = MonitorSection.kind.read(monitor, &reader) ?? nil }
        let prices = section("prices", tree).map { PricesSection.read($0, &reader) }
        let settings = section("simulate", tree).map { SimulateSection.read($0, &reader) }
        // Predictions of a cluster do not need these; what is wrong in them is still said.
        if let cosim = section("cosim", tree) {
            var draft = CosimSection.Draft()
            CosimSection.section.read(cosim, into: &draft, &reader)
        }
        if let execute = section("execute", tree) { _ = ExecuteSection.draft(execute, &reader) }
        let updates = section("updates", tree).map { UpdatesSection.read($0, &reader) } ?? []
        if let job, mayCheck {
            if let item = section("updates", tree) { UpdatesSection.check(updates, job, item, &reader) }
            check(job, conditions, tree)
            for remark in IdleScenarioKeys.remarks(job, tree) { reader.remark(remark) }
            check(job.cluster, conditions, flows: (settings ?? SimulationSettings()).usesFlows(on: job.cluster), tree)
        }
        guard let job, reader.errors.isEmpty else { return nil }
        let device = job.cluster.accelerator
        if let gpu = prices?.gpu, !gpu.isEmpty, gpu != device.knownAs {
            reader.remark("prices.preset is the price of \(gpu), and the cluster has \(device.name); write gpu_hour for its own")
        }
        var scenario = Scenario(name: draft.name ?? name, job: job)
        scenario.conditions = conditions
        scenario.weeks = weeks
        scenario.lossLaw = lossLaw
        scenario.updates = updates
        scenario.prices = prices ?? scenario.prices
        // Space is rented by power: that of a GPU with its share of the host.
        let model = try? PowerModel(of: device.generation)
        let host = (model?.hostPower(job.cluster) ?? 0) / Double(max(1, job.cluster.gpus))
        scenario.prices.owned?.kilowatts = (device.boardPower.watts + host) / 1000
        scenario.settings = settings ?? scenario.settings
        scenario.runs = runs
        scenario.warnings = reader.warnings
        scenario.hash = tree.hash(reader.meanings)
        scenario.files = whole.files + reader.files
        scenario.tree = whole
        scenario.layoutProblems = layoutProblems
        return scenario
    }

    /// The keys that stand for themselves; the names of sections are known here too.
    private mutating func readHead(_ tree: Tree) -> Draft {
        var draft = Draft()
        let known = Self.head.fields.map(\.key) + Self.sections.map(\.key) + ["vary", "zip"]
        for entry in tree.entries ?? [] {
            let item = Item(tree: entry.value, path: entry.key)
            if let field = Self.head.fields.first(where: { $0.key == entry.key }) {
                field.apply(item, &draft, &reader)
            } else if !known.contains(entry.key) {
                reader.report(entry.place, entry.key, "unknown key \"\(entry.key)\"", Self.advice(for: entry.key, in: known))
            }
        }
        return draft
    }

    private func section(_ key: String, _ tree: Tree) -> Item? { tree[key].map { Item(tree: $0.value, path: key) } }

    private mutating func readJob(_ tree: Tree) -> Job? {
        let model = section("model", tree).flatMap { ModelSection.read($0, &reader) }
        let cluster = section("cluster", tree).flatMap { ClusterSection.read($0, flows: asksForFlows(tree), &reader) }
        let layout = section("layout", tree).map { LayoutSection.read($0, &reader) } ?? Layout()
        let software = section("software", tree).map { SoftwareSection.read($0, &reader) }
        var isCNN = false
        if case .resnet? = model?.kind { isCNN = true }
        let read = section("training", tree).map {
            TrainingSection.read($0, usualSequence: model?.sequence, isCNN: isCNN, &reader)
        }
        runs = software?.runs ?? []
        guard var model, let cluster, let read else { return nil }
        var training = read.spec
        lossLaw = read.target.law
        read.target.apply(to: &training, model: model, tree, &reader)
        var precision = read.precision
        if tree.entry(at: ["software", "framework"]) == nil {
            reader.remark("software.framework is not given: \(SoftwareSection.usualFramework)")
        }
        var stack = software?.stack ?? SoftwareStack(framework: SoftwareSection.usualFramework)
        stack.measurements = software?.measured?.kernels(of: cluster.accelerator.name, &reader)
        if precision.gradients == nil, let format = stack.gradientPrecision {
            precision.gradients = Precision(rawValue: format)
        }
        if case .learned(length: 0) = model.positions { model.positions = .learned(length: training.sequence) }
        return Job(model: model, cluster: cluster, layout: layout, precision: precision, training: training, software: stack)
    }

    private mutating func check(_ job: Job, _ conditions: Conditions, _ tree: Tree) {
        let problems = job.problems()
        if takesAnyLayout, job.canBeLaidOutPlainly {
            layoutProblems = problems
        } else {
            report(problems, tree)
        }
        checkPlaces(job, conditions, tree)
    }

    private mutating func report(_ problems: [Fault], _ tree: Tree) {
        for problem in problems {
            let path = problem.keyPath.split(separator: ".").map(String.init)
            reader.report(tree.place(of: path), problem.keyPath, problem.reason, problem.suggestion)
        }
    }

    private mutating func checkPlaces(_ job: Job, _ conditions: Conditions, _ tree: Tree) {
        for (index, slow) in conditions.slowGPUs.enumerated() {
            guard case .gpu(let gpu) = slow.which, gpu >= job.cluster.gpus else { continue }
            reader.report(
                place(of: "slow_gpus", index, tree), "conditions.slow_gpus[\(index)].gpu",
                "there is no GPU \(gpu) among \(job.cluster.gpus)",
                "write 0 to \(job.cluster.gpus - 1)")
        }
        checkNodes(conditions.slowLinks.map(\.which), of: "slow_links", job.cluster, tree)
        checkNodes(conditions.linkFaults.map(\.which), of: "link_faults", job.cluster, tree)
    }

    private mutating func checkNodes(_ places: [Conditions.SlowLinks.Which], of list: String, _ cluster: ClusterSpec, _ tree: Tree) {
        for (index, which) in places.enumerated() {
            guard case .node(let node) = which, node >= cluster.nodes else { continue }
            reader.report(
                place(of: list, index, tree), "conditions.\(list)[\(index)].node", "there is no node \(node) among \(cluster.nodes)",
                "write 0 to \(cluster.nodes - 1)")
        }
    }

    /// Whether the file names flows; `auto` comes to them where the network is oversubscribed.
    private func asksForFlows(_ tree: Tree) -> Bool {
        func word(_ path: [String]) -> String? {
            guard case .scalar(let text, _)? = tree.entry(at: path)?.value.content else { return nil }
            return text
        }
        let network = word(["simulate", "network"]) ?? "auto"
        let ratio = word(["cluster", "inter_node", "topology", "oversubscription"]).flatMap { decimalNumber($0) } ?? 1
        let topology = tree.entry(at: ["cluster", "inter_node", "topology"])?.value
        let isOther = ["dims", "groups", "file"].contains { topology?[$0] != nil }
        return network == "flow" || network == "auto" && (ratio > 1 || isOther)
    }

    /// What only flows need: a network that can be built, and links that are there.
    private mutating func check(_ cluster: ClusterSpec, _ conditions: Conditions, flows: Bool, _ tree: Tree) {
        var network: TrainingNetwork?
        if flows || cluster.interNode?.form.between != nil {
            do { network = try TrainingNetwork(cluster: cluster) } catch {
                let path = error.key.split(separator: ".").map(String.init)
                reader.report(tree.place(of: path), error.key, error.fault.reason, error.fault.suggestion)
                return
            }
        }
        if !flows, !conditions.linkFaults.isEmpty {
            reader.report(
                place(of: "link_faults", 0, tree), "conditions.link_faults", "links fail only where communication runs as flows",
                "write simulate: {network: flow}, or slow_links with a node or gpu")
            return
        }
        let known = flows ? network : nil
        checkLinks(conditions.slowLinks.map(\.which), of: "slow_links", (cluster, known), tree)
        checkLinks(conditions.linkFaults.map(\.which), of: "link_faults", (cluster, known), tree)
    }

    /// `network`: nil without flows.
    private mutating func checkLinks(
        _ places: [Conditions.SlowLinks.Which], of list: String, _ at: (cluster: ClusterSpec, network: TrainingNetwork?), _ tree: Tree
    ) {
        for (index, which) in places.enumerated() {
            let (path, place) = ("conditions.\(list)[\(index)]", place(of: list, index, tree))
            switch which {
            case .gpu(let gpu) where gpu >= at.cluster.gpus:
                reader.report(
                    place, "\(path).gpu", "there is no GPU \(gpu) among \(at.cluster.gpus)", "write 0 to \(at.cluster.gpus - 1)")
            case .link(let name):
                guard let network = at.network else {
                    reader.report(
                        place, "\(path).link", "single links exist only where communication runs as flows",
                        "write simulate: {network: flow}, or a node or gpu in place of the link")
                    continue
                }
                guard network.links(named: name).isEmpty else { continue }
                reader.report(
                    place, "\(path).link", "there is no link \"\(name)\" in this cluster",
                    "names read like \"\(network.exampleName)\"; results list them")
            default: continue
            }
        }
    }

    private func place(of list: String, _ index: Int, _ tree: Tree) -> Place {
        guard let entry = tree.entry(at: ["conditions", list]) else { return tree.place }
        if case .sequence(let items) = entry.value.content, index < items.count { return items[index].place }
        return entry.value.place
    }
}

extension Job {
    /// Whether nothing is wrong but the layout: the same job, with nothing cut but the batch, can run.
    fileprivate var canBeLaidOutPlainly: Bool {
        var plain = self
        plain.layout = Layout()
        plain.training.microBatch = 1
        plain.training.recompute = .none
        // One sequence a replica: how the batch is dealt is the layout's business, too.
        if plain.training.globalBatch > 0 { plain.training.globalBatch = max(1, cluster.gpus) }
        return plain.problems().isEmpty
    }
}
