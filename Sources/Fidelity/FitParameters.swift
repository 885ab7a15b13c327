import Calibration

/// One unknown of the profile fit: the logarithm of a factor on a constant within a scope, with the spread that it may have beforehand.
public struct FitParameter: Sendable, Hashable {
    public let constant: Constant
    public let scope: Scope
    public let sigma: Double
}

enum FitParameters {
    /// The unknowns that the given jobs can show anything about, in a fixed order.
    /// - Parameter fitted: profiles whose spreads take the place of the priors' where they are less.
    static func list(for keys: [ProfileKey], priors: ConstantTable, fitted: ProfileTable? = nil) -> [FitParameter] {
        var left: [Scope: [Constant: Double]] = [:]
        for adjustment in fitted?.adjustments ?? [] { left[adjustment.scope, default: [:]][adjustment.constant] = adjustment.sigma }
        func spread(_ constant: Constant, _ scope: Scope, _ before: Double) -> Double {
            max(1e-4, min(before, left[scope]?[constant] ?? before))
        }
        var list = Constant.allCases.map { FitParameter(constant: $0, scope: .all, sigma: spread($0, .all, priors[$0].sigma)) }
        var seen: Set<Scope> = [.all]
        var scopes: [Scope] = []
        for key in keys { for scope in key.scopes where seen.insert(scope).inserted { scopes.append(scope) } }
        for scope in scopes.sorted(by: { "\($0)" < "\($1)" }) {
            for (constant, sigma) in ScopeSpread.offsets(scope) {
                list.append(FitParameter(constant: constant, scope: scope, sigma: spread(constant, scope, sigma)))
            }
        }
        return list
    }
}
