import Quantities

/// Prices of a scenario; each says where it comes from.
public struct PriceBook: Sendable, Hashable {
    public enum Purchase: String, Sendable, Hashable, Codable, CaseIterable { case onDemand = "on-demand", reserved, spot }
    public var gpuHour: HourlyPrice?
    public var spotGPUHour: HourlyPrice?
    /// With a commitment.
    public var reservedGPUHour: HourlyPrice?
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
    /// - Throws: `PriceError` for spot without a spot price and reserved without a reserved one, where others are given.
    public func hourly() throws(PriceError) -> HourlyPrice? {
        switch purchase {
        case .onDemand: return gpuHour
        case .reserved:
            guard reservedGPUHour != nil || gpuHour == nil else {
                throw PriceError(
                    "purchase is reserved, but prices.reserved_gpu_hour is missing; write for instance reserved_gpu_hour: 2.44 USD/h")
            }
            return reservedGPUHour
        case .spot:
            guard let spotGPUHour else {
                throw PriceError("purchase is spot, but prices.spot_gpu_hour is missing; write for instance spot_gpu_hour: 2.25 USD/h")
            }
            return spotGPUHour
        }
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
