# A soft IOC for beamshare's records, with EPICS base only:
#
#   cd db; SERVICE=beamshare STAFF=user2bmb softIoc st.cmd
#
# In an IOC that exists, add the access security and dbLoadRecords lines to its own startup file.

epicsEnvSet("P", "2bmb:")
epicsEnvSet("R", "Share:")

# Access security: SERVICE is the account of the service, STAFF are the accounts that may press buttons, separated by
# commas. All others can only read.
asSetSubstitutions("SERVICE=$(SERVICE=beamshare),STAFF='$(STAFF=user2bmb)'")
asSetFilename("beamshare.acf")

dbLoadRecords("beamshare.db", "P=$(P),R=$(R)")

iocInit()
