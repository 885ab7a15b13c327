import CoSimulation
import Quantities
import Training

/// `training.synchronization`: sync, or a mapping. `orrery train` follows it; the step of `orrery run` is always the synchronous one.
public struct SynchronizationChoice: Sendable, Equatable {
    public enum Groups: Sendable, Equatable {
        case node
        case listed([[Int]])
    }
    public var method = SynchronizationMethod.synchronous()
    /// Of a local method; what `node` means depends on the machines.
    public var groups: Groups?
    /// Of a federated method.
    public var link: Bandwidth?
    /// As a scenario names it.
    public var word = "sync"
    public init() {}
}

enum SynchronizationSection {
    private enum Word: String, CaseIterable { case sync, async, local, federated, grouped }
    private enum Compensation: Sendable { case none, past(Past), taylor(Double) }
    private struct Past {
        var alpha = 0.3
        var decay = 0.5
        var halfLife = 1000.0
    }
    private struct Taylor { var lambda = 0.04 }
    private struct CompensationDraft {
        var past: Past?
        var taylor: Taylor?
    }
    private struct Outer {
        var rate = 0.7
        var momentum = 0.9
    }
    private struct Draft {
        var kind: Word?
        var algorithm: String?
        var backup = 0
        var balance = false
        var staleness: Int??
        var compensation: DelayCompensation?
        var steps: LocalPeriod?
        var outer: OuterStep??
        var groups: SynchronizationChoice.Groups??
        var clients: Int?
        var perRound: Int?
        var epochs = 1
        var proximal = 0.0
        var link: Bandwidth?
        var samples: Int?
        var delay = 1
    }

    private static var section: Section<Draft> {
        let positive = Kind<Int>.integer(1...1_000_000, example: 10)
        return Section([
            Field("kind", \.kind, .choice, default: "required", "how replicas come to common parameters"),
            Field("algorithm", \.algorithm, .text, default: "auto", "of the all-reduce; auto alone is known"),
            Field(
                "backup", \.backup, .integer(0...1_000_000, example: 4), default: "0", "sync: so many slowest workers are not waited for"),
            Field("balance", \.balance, .flag, default: "false", "sync: each worker's share of the batch follows its speed"),
            Field(
                "staleness", \.staleness, Kind<Int>.integer(0...1_000_000, example: 8).or("none"), default: "none",
                "async: most updates between the version a gradient was computed from and its use; 0 is sequential"),
            Field("compensation", \.compensation, compensation, default: "none", "async: what is done to a stale gradient"),
            Field(
                "steps", \.steps, period, default: "required for local",
                "local: steps between meetings, or communication's share of the time"),
            Field("outer", \.outer, outer, default: "none", "local: outer Nesterov step on the mean change (DiLoCo)"),
            Field("groups", \.groups, groups, default: "none", "local: workers that stay synchronous among themselves"),
            Field("clients", \.clients, positive, default: "required for federated", "federated: clients in all"),
            Field("per_round", \.perRound, positive, default: "a tenth of the clients", "federated: clients of a round"),
            Field("epochs", \.epochs, .integer(1...1000, example: 1), default: "1", "federated: passes over a client's samples in a round"),
            Field("proximal", \.proximal, .ratio(0...1e6, example: "0.01"), default: "0", "federated: pull to the shared model (FedProx)"),
            Field("link", \.link, .quantity, default: "the target's", "federated: a client's link"),
            Field("samples", \.samples, positive, default: "ten batches", "federated: samples of a client"),
            Field("delay", \.delay, .integer(0...64, example: 1), default: "1", "grouped: steps that a large gradient arrives late"),
        ])
    }

    private static var compensation: Kind<DelayCompensation> {
        let past = Section<Past>([
            Field("alpha", \.alpha, .ratio(0...10, example: "0.3"), default: "0.3", "weight of the past updates"),
            Field("decay", \.decay, .ratio(0...1, example: "0.5"), default: "0.5", "weight of an update over that of the next"),
            Field("half_life", \.halfLife, .ratio(1...1e12, example: "1000"), default: "1000", "steps after which alpha is halved"),
        ])
        let taylor = Section<Taylor>([
            Field("lambda", \.lambda, .ratio(0...1000, example: "0.04"), default: "0.04", "of DC-ASGD (arXiv:1609.08326)")
        ])
        let section = Section<CompensationDraft>([
            Field("past_updates", \.past, past.kind(Past()), default: "none", "adds the weighted updates since"),
            Field("taylor", \.taylor, taylor.kind(Taylor()), default: "none", "adds lambda g^2 times the change since"),
        ])
        let mapping = section.kind(CompensationDraft(), name: "{past_updates: {...}} or {taylor: {...}}").map {
            draft -> DelayCompensation in
            if let past = draft.past { return .pastUpdates(alpha: past.alpha, decay: past.decay, halfLife: past.halfLife) }
            return draft.taylor.map { .taylor(lambda: $0.lambda) } ?? .none
        }
        return mapping.abbreviated(by: none.map { _ in .none })
    }
    private enum None: String, CaseIterable { case none }
    private static var none: Kind<None> { .choice }

    private static var period: Kind<LocalPeriod> {
        struct Share { var share: Double? }
        let section = Section<Share>([
            Field("share", \.share, .ratio(0.001...0.999, example: "10%"), default: "required", "communication's share")
        ])
        let mapping = Kind<LocalPeriod>("{share: 10%}", example: "{share: 10%}", children: section.entries) { item, reader in
            var draft = Share()
            section.read(item, into: &draft, &reader)
            return draft.share.map { .share($0) }
        }
        return mapping.abbreviated(by: Kind<Int>.integer(1...10_000_000, example: 32).map { .steps($0) })
    }

    private static var outer: Kind<OuterStep?> {
        let section = Section<Outer>([
            Field("rate", \.rate, .ratio(0...100, example: "0.7"), default: "0.7", "outer rate"),
            Field("momentum", \.momentum, .ratio(0...0.9999, example: "0.9"), default: "0.9", "outer Nesterov momentum"),
        ])
        return section.kind(Outer(), name: "{rate:, momentum:}").map { .some(OuterStep(rate: $0.rate, momentum: $0.momentum)) }
            .abbreviated(by: none.map { _ in nil })
    }

    private static var groups: Kind<SynchronizationChoice.Groups?> {
        enum Word: String, CaseIterable { case none, node }
        let word = Kind<Word>.choice.map { $0 == .node ? SynchronizationChoice.Groups.node : nil }
        let list = Kind<[[Int]]>.list(of: .list(of: .integer(0...1_000_000, example: 0), atMost: 100_000), atMost: 100_000)
        return Kind<SynchronizationChoice.Groups?>("none, node, or \(list.name)", example: "node") { item, reader in
            if case .sequence = item.tree.content { return list.read(item, &reader).map { .some(.listed($0)) } }
            return word.read(item, &reader)
        }
    }

    static var kind: Kind<SynchronizationChoice> {
        let mapping = Kind<SynchronizationChoice>(
            "{kind: ...}", example: "{kind: local, steps: 32}", children: section.entries
        ) { item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            return choice(draft, item, &reader)
        }
        return mapping.abbreviated(
            by: Kind<Word>.choice([.sync, .async]).map { word in
                var choice = SynchronizationChoice()
                choice.word = word.rawValue
                if word == .async { choice.method = .asynchronous() }
                return choice
            })
    }

    private static let keys: [Word: Set<String>] = [
        .sync: ["kind", "algorithm", "backup", "balance"], .async: ["kind", "staleness", "compensation"],
        .local: ["kind", "steps", "outer", "groups"],
        .federated: ["kind", "clients", "per_round", "epochs", "proximal", "link", "samples"], .grouped: ["kind", "delay"],
    ]

    private static func choice(_ draft: Draft, _ item: Item, _ reader: inout Reader) -> SynchronizationChoice? {
        guard let kind = draft.kind else {
            reader.report(
                item.tree.place, "\(item.path).kind", "the key is missing", "write kind: sync, async, local, federated or grouped")
            return nil
        }
        for entry in item.tree.entries ?? [] where keys[kind]?.contains(entry.key) == false {
            let homes = keys.filter { $0.value.contains(entry.key) }.map(\.key.rawValue).sorted()
            reader.report(
                entry.place, "\(item.path).\(entry.key)", "\(entry.key) means nothing to kind: \(kind.rawValue)",
                "remove it, or write kind: \(homes.joined(separator: " or "))")
            return nil
        }
        if let algorithm = draft.algorithm, algorithm != "auto" {
            reader.report(
                item.tree["algorithm"]?.place ?? item.tree.place, "\(item.path).algorithm",
                "\"\(algorithm)\" is not available (collectives choose their own)", "write auto or remove the key")
            return nil
        }
        var choice = SynchronizationChoice()
        choice.word = kind.rawValue
        switch kind {
        case .sync: choice.method = .synchronous(backup: draft.backup, balance: draft.balance)
        case .async: choice.method = .asynchronous(bound: draft.staleness ?? nil, compensation: draft.compensation ?? .none)
        case .local:
            guard let steps = draft.steps else {
                reader.report(item.tree.place, "\(item.path).steps", "the key is missing", "write steps: 32, or steps: {share: 10%}")
                return nil
            }
            choice.method = .local(period: steps, outer: draft.outer ?? nil)
            choice.groups = draft.groups ?? nil
        case .federated:
            guard let clients = draft.clients else {
                reader.report(item.tree.place, "\(item.path).clients", "the key is missing", "write clients: 100")
                return nil
            }
            choice.link = draft.link
            choice.method = .federated(
                Federation(
                    clients: clients, perRound: draft.perRound ?? max(1, clients / 10), epochs: draft.epochs, proximal: draft.proximal,
                    samplesPerClient: draft.samples ?? 0))
        case .grouped: choice.method = .grouped(delay: draft.delay)
        }
        return choice
    }
}
