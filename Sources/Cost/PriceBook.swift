import Quantities

/// Prices of a scenario; each says where it comes from.
public struct PriceBook: Sendable, Hashable {
    public enum Purchase: String, Sendable, Hashable, Codable, CaseIterable { case onDemand = "on-demand", reserved, spot, owned }
    public var gpuHour: HourlyPrice?
    public var spotGPUHour: HourlyPrice?
    /// With a commitment.
    public var reservedGPUHour: HourlyPrice?
    /// Machines that are bought; nil where their price is not known.
    public var owned: OwnedHardware?
    public var electricity: EnergyPrice?
    /// Power usage effectiveness: facility energy over IT energy, at least 1.
    public var pue = 1.0
    public var carbon: CarbonIntensity?
    public var storage: StoragePrice?
    /// Bytes kept in storage over the run (checkpoints, data).
    public var stored: Bytes?
    public var purchase = Purchase.onDemand
    /// Whether electricity is billed beside the GPU-hour (owned machines) or included in it (rented ones).
    public var chargesEnergy = false
    /// Key of a price to where it comes from.
    public var sources: [String: String] = [:]
    /// Catalogue name of the GPU that the hourly prices rent; empty where they are not a preset's.
    public var gpu = ""
    public init() {}

    /// The price of a GPU-hour under this book's kind of purchase; nil where none is given.
    /// - Throws: `Fault` for spot without a spot price and reserved without a reserved one, where others are given.
    public func hourly() throws(Fault) -> HourlyPrice? {
        switch purchase {
        case .onDemand: return gpuHour
        case .reserved:
            guard reservedGPUHour != nil || gpuHour == nil else {
                throw Fault(
                    keyPath: "prices.reserved_gpu_hour", reason: "purchase is reserved, but there is no reserved price",
                    suggestion: "write for instance reserved_gpu_hour: 2.44 USD/h")
            }
            return reservedGPUHour
        case .spot:
            guard let spotGPUHour else {
                throw Fault(
                    keyPath: "prices.spot_gpu_hour", reason: "purchase is spot, but there is no spot price",
                    suggestion: "write for instance spot_gpu_hour: 2.25 USD/h")
            }
            return spotGPUHour
        case .owned:
            guard let owned else {
                throw Fault(
                    keyPath: "prices.owned", reason: "purchase is owned, but nothing says what the machines cost",
                    suggestion: "write for instance owned: {price: 30000 USD, years: 5}")
            }
            return try owned.hourly()
        }
    }
}

/// What an hour's parts cost.
public struct Rates: Sendable, Hashable {
    /// Dollars that a second of all GPUs costs, energy apart; nil where no price is given.
    public var dollarsPerSecond: Double?
    /// Dollars that a joule of the machines costs, the facility's overhead in it; 0 where energy is part of the rent.
    public var dollarsPerJoule: Double

    public init(dollarsPerSecond: Double? = nil, dollarsPerJoule: Double = 0) {
        (self.dollarsPerSecond, self.dollarsPerJoule) = (dollarsPerSecond, dollarsPerJoule)
    }
}

/// What a run costs. Energy is always reported; it is part of the total only where it is charged.
public struct Bill: Sendable, Hashable, Codable {
    public var totalUSD = 0.0
    public var computeUSD = 0.0
    public var energyUSD = 0.0
    public var storageUSD = 0.0
    public var networkUSD = 0.0
    public var usdPerMillionTokens = 0.0
    public var gpuHours = 0.0
    public var energyKWh = 0.0
    public var carbonKg = 0.0
    /// Whether energy is part of the total; where it is not, the rent of the machines includes it.
    public var chargesEnergy: Bool { energyUSD > 0 && totalUSD > computeUSD + storageUSD + networkUSD + 1e-9 * totalUSD }
    public init() {}
    enum CodingKeys: String, CodingKey {
        case totalUSD = "total_usd"
        case computeUSD = "compute_usd"
        case energyUSD = "energy_usd"
        case storageUSD = "storage_usd"
        case networkUSD = "network_usd"
        case usdPerMillionTokens = "usd_per_million_tokens"
        case gpuHours = "gpu_hours"
        case energyKWh = "energy_kwh"
        case carbonKg = "carbon_kg"
    }
}
