import Plan

extension Recompute {
    /// As documents of a search write it.
    public var name: String {
        switch self {
        case .none: "none"
        case .selective: "selective"
        case .full: "full"
        case .layers(let count): "\(count) layers"
        case .modules(let chosen): chosen.description
        case .auto: "auto"
        case .perRank(let counts): counts.map(String.init).joined(separator: "/")
        }
    }
}
