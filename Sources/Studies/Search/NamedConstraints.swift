import Plan
import Planner
import Quantities

extension SearchConstraints {
    /// Constraints by the names that people write.
    /// - Parameters:
    ///   - memory: most on a GPU, GB; nil: what it has.
    ///   - schedules: names, or `all`; empty: those of the framework.
    ///   - recompute: names, modules joined with +, or `all`; empty: none, selective, full, auto.
    ///   - prefix: of `schedules` and `recompute` in messages.
    /// - Throws: `Fault` for a name that means nothing here.
    public init(memory: Double?, schedules: [String], recompute: [String], as prefix: String = "") throws(Fault) {
        self.init()
        self.memory = memory.map { $0 * 1e9 }
        if schedules == ["all"] {
            self.schedules = SearchSpace.schedules
        } else if !schedules.isEmpty {
            self.schedules = try schedules.map { (name) throws(Fault) in
                guard let kind = ScheduleKind(rawValue: name), SearchSpace.schedules.contains(kind) else {
                    let known = SearchSpace.schedules.map(\.rawValue).joined(separator: ", ")
                    throw Fault(
                        keyPath: "\(prefix)schedules", reason: "\"\(name)\" cannot be searched",
                        suggestion: "choose from \(known), or write all")
                }
                return kind
            }
        }
        if recompute == ["all"] {
            self.recompute = Self.everyRecomputation
        } else if !recompute.isEmpty {
            self.recompute = try recompute.map { (name) throws(Fault) in try Self.recomputation(name, as: prefix) }
        }
    }

    private static let everyRecomputation: [Recompute] =
        [.none, .selective, .full, .auto, .modules(.norms), .modules([.norms, .activation]), .modules([.norms, .latentUp, .activation])]

    private static func recomputation(_ name: String, as prefix: String) throws(Fault) -> Recompute {
        switch name {
        case "none": return .none
        case "selective": return .selective
        case "full": return .full
        case "auto": return .auto
        default: break
        }
        var modules = RecomputedModules()
        for part in name.split(separator: "+", omittingEmptySubsequences: false) {
            guard let module = RecomputedModules.names.first(where: { $0.name == part }) else {
                let parts = RecomputedModules.names.map(\.name).joined(separator: ", ")
                throw Fault(
                    keyPath: "\(prefix)recompute", reason: "\"\(part)\" is nothing that can be recomputed",
                    suggestion: "choose from none, selective, full, auto, \(parts) (joined with +), or write all")
            }
            modules.insert(module.value)
        }
        return .modules(modules)
    }
}
